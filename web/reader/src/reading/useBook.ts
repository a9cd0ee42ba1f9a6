import { useCallback, useEffect, useState } from "react";
import { loadBook, loadedBook } from "../bible/text";
import type { BookText } from "../bible/text";

/** Returns a book once it is here, and whether it could not be had. */
export function useBook(id: string): { book: BookText | null; failed: boolean; retry: () => void } {
  const [loaded, setLoaded] = useState<{ id: string; book: BookText | null }>(() => ({ id, book: loadedBook(id) ?? null }));
  const [attempt, setAttempt] = useState(0);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let current = true;
    setFailed(false);
    loadBook(id).then(
      (book) => current && setLoaded({ id, book }),
      () => current && setFailed(true),
    );
    return () => void (current = false);
  }, [id, attempt]);
  const book = loaded.id === id ? loaded.book : (loadedBook(id) ?? null);
  return { book, failed: failed && !book, retry: useCallback(() => setAttempt((count) => count + 1), []) };
}
