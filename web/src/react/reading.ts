/** Hooks for bookmarks and for where one reads: `docs/react.md`, "Collections, bookmarks and where one reads". */
import { useCallback, useEffect, useRef, useState } from "react";
import type { LibraryClient } from "../library/client.js";
import type { Jump } from "../library/positions.js";
import { ReadingPlace } from "../library/readingPlace.js";
import type { Anchor, Highlight, ReadingPosition } from "../library/values.js";
import { useSession } from "./context.js";
import { ITEMS, NONE, PLACES, useQuery } from "./query.js";

/** The bookmarks outside the trash, of a work (`workId`) or all, the oldest first. */
export function useBookmarks(work?: string, userId?: string): readonly Highlight[] {
  return useQuery(useSession(userId).session, ITEMS, work, bookmarksOf, NONE);
}

/** Where each device reads, the latest first; in one work if it is named. */
export function useReadingPositions(work?: string, userId?: string): readonly ReadingPosition[] {
  return useQuery(useSession(userId).session, PLACES, work, positionsOf, NONE);
}

export interface ReadingHere {
  /** Call it whenever a page is turned: it tells the library no more than once a minute, and when the reader is left. */
  moved: (anchor: Anchor) => void;
  /** Where to offer to go, or null. Ask; never just go. */
  jump: Jump | null;
  /** Does not offer this place again while the reader is open. */
  decline: (jump: Jump) => void;
}

export interface ReadingOptions {
  /** What this browser is called where other devices offer its place. */
  deviceName?: string;
}

/**
 * Where one reads in a work (`workId`), told the other devices; and theirs, to be offered here. Use it in a component that
 * stays while pages are turned: one that goes writes the place that waits.
 */
export function useReadingPlace(work: string, { deviceName = "" }: ReadingOptions = {}, userId?: string): ReadingHere {
  const { session } = useSession(userId);
  const library = session?.library ?? null;
  const place = useRef<ReadingPlace | null>(null);
  const early = useRef<Anchor | null>(null); // where one was before the library was loaded
  const [declined, setDeclined] = useState<readonly Anchor[]>(NONE);
  useEffect(() => {
    if (!library) return undefined;
    const made = new ReadingPlace(library, { work, deviceName });
    const leave = () => made.leave();
    place.current = made;
    if (early.current) made.moved(early.current);
    early.current = null;
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      place.current = null;
      made.leave();
    };
  }, [library, work, deviceName]);
  const moved = useCallback((anchor: Anchor) => {
    if (place.current) place.current.moved(anchor);
    else early.current = anchor;
  }, []);
  const decline = useCallback((jump: Jump) => setDeclined((before) => [...before, jump.anchor]), []);
  const jump = useQuery(session, PLACES, { work, declined }, jumpOf, null);
  return { moved, jump, decline };
}

const bookmarksOf = (library: LibraryClient, work?: string): readonly Highlight[] =>
  library.highlights({ kind: "bookmark", ...(work === undefined ? {} : { work }) });
const positionsOf = (library: LibraryClient, work?: string): readonly ReadingPosition[] => library.positions(work);
const jumpOf = (library: LibraryClient, { work, declined }: { work: string; declined: readonly Anchor[] }): Jump | null =>
  library.jump(work, declined);
