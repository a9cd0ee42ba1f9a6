/** What the relay says no to, in the reader's words: its own are for programs and in one language. */
import { useCallback, useRef, useState } from "react";
import { RelayRefused } from "../session/relay";
import { useTexts } from "../texts";
import type { Texts } from "../texts";

export function refusalText(texts: Texts, { code, message }: RelayRefused): string {
  const { refusals } = texts;
  return Object.hasOwn(refusals, code) ? refusals[code]! : `${texts.failed}: ${message}`;
}

export interface Trying {
  /** What was refused last; empty if nothing was. */
  readonly error: string;
  /** Does something with the relay, unless the last is still going on, and returns whether it went well. */
  readonly run: (act: () => Promise<void>) => Promise<boolean>;
}

/** For what may be refused: one thing at a time, with the words to show where it was. No button loses the focus by it. */
export function useTrying(): Trying {
  const texts = useTexts();
  const [error, setError] = useState("");
  const isBusy = useRef(false);
  const run = useCallback(async (act: () => Promise<void>) => {
    if (isBusy.current) return false;
    isBusy.current = true;
    setError("");
    try {
      await act();
      return true;
    } catch (failure) {
      if (!(failure instanceof RelayRefused)) throw failure;
      setError(refusalText(texts, failure));
      return false;
    } finally {
      isBusy.current = false;
    }
  }, [texts]);
  return { error, run };
}
