/** A text that is being typed and that others may change meanwhile. */
import { useCallback, useEffect, useRef, useState } from "react";

const PAUSE_MS = 600;

/**
 * Returns what to show, what to call as it is typed, and what to call when the field is left. It is saved at a pause, when
 * the field is left, and when it goes away. What somebody else writes shows while nothing of one's own waits.
 */
export function useDraft(value: string, save: (text: string) => void): [text: string, type: (text: string) => void, flush: () => void] {
  const [draft, setDraft] = useState<string | null>(null);
  const waiting = useRef<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const newest = useRef(save);
  newest.current = save;
  const flush = useCallback(() => {
    clearTimeout(timer.current);
    if (waiting.current !== null) newest.current(waiting.current);
    waiting.current = null;
    setDraft(null);
  }, []);
  const type = useCallback(
    (text: string) => {
      waiting.current = text;
      setDraft(text);
      clearTimeout(timer.current);
      timer.current = setTimeout(flush, PAUSE_MS);
    },
    [flush],
  );
  useEffect(() => {
    addEventListener("pagehide", flush);
    return () => {
      removeEventListener("pagehide", flush);
      flush();
    };
  }, [flush]);
  return [draft ?? value, type, flush];
}
