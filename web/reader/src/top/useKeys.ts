/** The keys that hold everywhere but where somebody types, and in no dialog. */
import { useEffect, useRef } from "react";

export interface Keys {
  undo: () => void;
  redo: () => void;
  next: () => void;
  previous: () => void;
  escape: () => void;
  books: () => void;
  panel: () => void;
  search: () => void;
}

/** `keys` may be another object at each render: the newest counts. */
export function useKeys(keys: Keys): void {
  const newest = useRef(keys);
  newest.current = keys;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const asked = askedFor(event);
      if (!asked) return;
      newest.current[asked]();
      event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function askedFor({ key, target, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent): keyof Keys | null {
  const at = target as HTMLElement;
  if (at.closest?.("input, textarea, select, [contenteditable='true']") || document.querySelector("dialog[open]")) return null;
  if (ctrlKey || metaKey) {
    if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
    return key.toLowerCase() === "y" ? "redo" : null;
  }
  if (altKey) return null;
  if (key === "ArrowRight" || key === "ArrowLeft") {
    if (shiftKey || at.closest?.("[role=tablist], [role=toolbar], [role=radiogroup], .card")) return null;
    return (key === "ArrowRight") === (document.documentElement.dir !== "rtl") ? "next" : "previous";
  }
  const asked: Record<string, keyof Keys> = { Escape: "escape", b: "books", l: "panel", "/": "search" };
  return asked[key] ?? null;
}
