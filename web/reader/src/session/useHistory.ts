import type { LibraryClient } from "crdt-sync";
import { useEffect, useState, useSyncExternalStore } from "react";
import { History } from "./history";

const NOTHING = () => ({ done: false, kept: false });
const NO_SUBSCRIPTION = () => () => undefined;

/** Undo and redo of what is edited from here on. */
export function useHistory(library: LibraryClient | null): { undo: History["undo"]; redo: History["redo"]; canUndo: boolean; canRedo: boolean } {
  const [history, setHistory] = useState<History | null>(null);
  useEffect(() => {
    if (!library) return;
    const made = new History(library);
    setHistory(made);
    return () => {
      made.close();
      setHistory(null);
    };
  }, [library]);
  const can = useSyncExternalStore(history?.subscribe ?? NO_SUBSCRIPTION, () => (history ? Number(history.canUndo) + 2 * Number(history.canRedo) : 0));
  return {
    undo: history ? () => history.undo() : NOTHING,
    redo: history ? () => history.redo() : NOTHING,
    canUndo: (can & 1) > 0,
    canRedo: (can & 2) > 0,
  };
}
