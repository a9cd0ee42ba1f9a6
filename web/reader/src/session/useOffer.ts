/**
 * Keeps where this device reads, and offers the place of another one (docs/reading.md). In a group's library the devices
 * are other people's: nothing is kept or offered there.
 */
import { ReadingPlace } from "crdt-sync";
import type { LibraryClient } from "crdt-sync";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { CHAPTERS } from "../bible/books";
import { chapterId, parsePlace, progressionOf } from "../bible/place";
import type { Chapter } from "../bible/place";
import { WORK } from "../bible/text";
import { deviceName } from "./device";

export interface Offer {
  readonly name: string;
  readonly place: Chapter;
}

const SAME_PLACE = 0.5 / CHAPTERS;

/** Returns the place of another device while it is to be offered. `library` is null where no places are kept. */
export function useOffer(library: LibraryClient | null, here: Chapter, isConnected: boolean, canWrite: boolean): { offer: Offer | null; dismiss: () => void } {
  const [offer, setOffer] = useState<Offer | null>(null);
  const place = useMemo(() => library && new ReadingPlace(library, { work: WORK.id, deviceName: deviceName() }), [library]);
  const opened = useRef(here);
  const asked = useRef(false);
  useEffect(() => {
    if (!place) return;
    const leave = () => place.leave();
    const onHidden = () => document.visibilityState === "hidden" && leave();
    addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", onHidden);
    return () => {
      removeEventListener("pagehide", leave);
      document.removeEventListener("visibilitychange", onHidden);
      leave();
    };
  }, [place]);
  // offered once a visit, when what other devices wrote has come: somebody who reads on is not to be asked again
  useEffect(() => {
    if (!library || !isConnected || asked.current) return;
    asked.current = true;
    const jump = library.jump(WORK.id, [], SAME_PLACE);
    const there = jump?.reason === "later" ? parsePlace(jump.anchor.source ?? "") : null; // a Bible is not read to its end
    if (there && chapterId(there) !== chapterId(opened.current))
      setOffer({ name: jump!.position.deviceName, place: { book: there.book, chapter: there.chapter } });
  }, [library, isConnected]);
  const reads = useCallback((chapter: Chapter) => {
    if (canWrite) place?.moved({ work: WORK, source: chapterId(chapter), progression: progressionOf(chapter) });
  }, [place, canWrite]);
  useEffect(() => {
    if (here === opened.current) return;
    reads(here);
    setOffer(null);
  }, [reads, here]);
  const dismiss = useCallback(() => {
    setOffer(null);
    reads(opened.current);
  }, [reads]);
  return { offer, dismiss };
}
