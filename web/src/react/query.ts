/** What a library answers, as a hook's value: the same one for as long as nothing has changed. */
import { useCallback, useRef, useSyncExternalStore } from "react";
import type { LibraryClient } from "../library/client.js";
import type { LibrarySession } from "../session.js";

/** What can change an answer: what tells so, and a number that is raised with it. */
export interface Source {
  listen(library: LibraryClient, listener: () => void): () => void;
  version(library: LibraryClient): number;
}

/** Highlights, notes and collections. */
export const ITEMS: Source = { listen: (library, listener) => library.listen(listener), version: ({ version }) => version };
/** Where devices read. */
export const PLACES: Source = {
  listen: (library, listener) => library.listenToPositions(listener),
  version: ({ positionsVersion }) => positionsVersion,
};

export const NONE: readonly never[] = [];

/** `read` must be the same function at each render, `filter` is compared as JSON; `empty` is the answer until there is a library. */
export function useQuery<Filter, Value>(
  session: LibrarySession | null,
  source: Source,
  filter: Filter,
  read: (library: LibraryClient, filter: Filter) => Value,
  empty: Value,
): Value {
  const library = session?.library ?? null;
  const key = JSON.stringify(filter);
  const last = useRef<{ library: LibraryClient; version: number; key: string; value: Value } | null>(null);
  return useSyncExternalStore(
    useCallback((listener) => (library ? source.listen(library, listener) : noSubscription), [library, source]),
    () => {
      if (!library) return empty;
      const known = last.current;
      const version = source.version(library);
      if (known?.library === library && known.version === version && known.key === key) return known.value;
      const value = read(library, filter);
      last.current = { library, version, key, value };
      return value;
    },
    () => empty,
  );
}

const noSubscription = () => undefined;
