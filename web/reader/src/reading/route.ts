/** Where the reader is: the address after the hash, like `#Gen.1` or `#Gen.1.3`. The last place is kept for the next visit. */
import { useCallback, useSyncExternalStore } from "react";
import { chapterId, parsePlace } from "../bible/place";
import type { Chapter } from "../bible/place";

const LAST = "reader/place";
const START = "Gen.1";

export type Place = NonNullable<ReturnType<typeof parsePlace>>;

let known: { hash: string; place: Place } | null = null;

function current(): Place {
  const hash = decodeURIComponent(location.hash.slice(1));
  if (known?.hash === hash) return known.place;
  const place = parsePlace(hash) ?? parsePlace(localStorage.getItem(LAST) ?? "") ?? parsePlace(START)!;
  known = { hash, place };
  return place;
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function goTo(place: Chapter & { verse?: number | null }): void {
  const id = chapterId(place) + (place.verse ? `.${place.verse}` : "");
  localStorage.setItem(LAST, chapterId(place));
  if (location.hash.slice(1) === id) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = id;
}

export function useRoute(): { place: Place; go: typeof goTo } {
  const place = useSyncExternalStore(subscribe, current);
  return { place, go: useCallback(goTo, []) };
}
