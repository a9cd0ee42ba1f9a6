import type { LibraryClient } from "crdt-sync";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Chapter } from "../bible/place";
import { deviceId, deviceName } from "./device";
import { Positions } from "./positions";
import type { Offer } from "./positions";

/** Keeps where this device reads, and returns the place of another one while it is to be offered. */
export function useOffer(library: LibraryClient | null, here: Chapter, isConnected: boolean, canWrite: boolean): { offer: Offer | null; dismiss: () => void } {
  const [positions, setPositions] = useState<Positions | null>(null);
  const [offer, setOffer] = useState<Offer | null>(null);
  const opened = useRef(here);
  const writable = useRef(canWrite);
  const asked = useRef(false);
  writable.current = canWrite;
  useEffect(() => {
    if (!library) return;
    const made = new Positions(library.doc, deviceId(), deviceName(), () => writable.current);
    const onHidden = () => document.visibilityState === "hidden" && made.write();
    setPositions(made);
    addEventListener("pagehide", made.write);
    document.addEventListener("visibilitychange", onHidden);
    return () => {
      removeEventListener("pagehide", made.write);
      document.removeEventListener("visibilitychange", onHidden);
      made.close();
    };
  }, [library]);
  // offered once a visit, when what other devices wrote has come: somebody who reads on is not to be asked again
  useEffect(() => {
    if (!positions || !isConnected || asked.current) return;
    asked.current = true;
    setOffer(positions.offer(opened.current));
  }, [positions, isConnected]);
  useEffect(() => {
    if (positions && here !== opened.current) positions.reads(here);
    if (here !== opened.current) setOffer(null);
  }, [positions, here]);
  const dismiss = useCallback(() => {
    setOffer(null);
    positions?.reads(opened.current);
  }, [positions]);
  return { offer, dismiss };
}
