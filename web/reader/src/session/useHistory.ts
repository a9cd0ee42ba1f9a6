import type { LibraryClient, Undone } from "crdt-sync";
import { useCallback, useReducer, useSyncExternalStore } from "react";

const NO_SUBSCRIPTION = () => () => undefined;

export interface History {
  /** Null if there was nothing to take back. */
  undo: () => Undone | null;
  redo: () => Undone | null;
  canUndo: boolean;
  canRedo: boolean;
}

/** Undo and redo of what is edited here. */
export function useHistory(library: LibraryClient | null): History {
  const subscribe = useCallback((listener: () => void) => library?.listen(listener) ?? NO_SUBSCRIPTION(), [library]);
  const can = useSyncExternalStore(subscribe, () => Number(library?.canUndo ?? false) + 2 * Number(library?.canRedo ?? false));
  const [, show] = useReducer((count: number) => count + 1, 0); // a step may go and change nothing in the document
  const move = (which: "undo" | "redo") => () => {
    const undone = library && !library.isReadOnly ? library[which]() : null;
    show();
    return undone;
  };
  return { undo: move("undo"), redo: move("redo"), canUndo: (can & 1) > 0, canRedo: (can & 2) > 0 };
}
