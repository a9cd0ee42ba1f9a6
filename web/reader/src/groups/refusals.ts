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
  /** Does something with the relay, after what goes on already, and returns whether it went well. */
  readonly run: (act: () => Promise<void>) => Promise<boolean>;
  /** The same, unless what was begun so still goes on: a second click makes nothing a second time. */
  readonly once: (act: () => Promise<void>) => Promise<boolean>;
}

/** For what may be refused, with the words to show where it was. Nothing is disabled meanwhile, as that takes the focus. */
export function useTrying(): Trying {
  const texts = useTexts();
  const [error, setError] = useState("");
  const isOn = useRef(false);
  const last = useRef<Promise<unknown>>(Promise.resolve());
  const run = useCallback((act: () => Promise<void>) => {
    const attempt = async () => {
      setError("");
      try {
        await act();
        return true;
      } catch (failure) {
        if (!(failure instanceof RelayRefused)) throw failure;
        setError(refusalText(texts, failure));
        return false;
      }
    };
    const done = last.current.then(attempt, attempt);
    last.current = done;
    return done;
  }, [texts]);
  const once = useCallback(async (act: () => Promise<void>) => {
    if (isOn.current) return false;
    isOn.current = true;
    return run(act).finally(() => (isOn.current = false));
  }, [run]);
  return { error, run, once };
}
