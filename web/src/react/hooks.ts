/** The hooks. Each is quiet until something that it shows has changed. */
import { useCallback, useMemo, useRef, useSyncExternalStore } from "react";
import type { LibraryClient } from "../library/client.js";
import type { HighlightFilter, NoteFilter } from "../library/queries.js";
import { personOf } from "../library/person.js";
import type { Person } from "../library/person.js";
import type { Anchor, Highlight, Note } from "../library/values.js";
import { OFFLINE } from "../provider/status.js";
import type { SyncStatus } from "../provider/status.js";
import { useSession } from "./context.js";
import { ITEMS, NONE, useQuery } from "./query.js";
import type { LibrarySession } from "../session.js";

/** Somebody who has the library open; `state` is all that their client shows. */
export interface Present {
  readonly clientId: number;
  readonly person: Person | null;
  readonly isSelf: boolean;
  readonly state: Readonly<Record<string, unknown>>;
}

/** A highlight as a reader of verses knows it: a bare verse id, or a whole anchor. */
export interface HighlightCreate {
  id?: string;
  /** An OSIS verse or range, like `Gen.1.1-Gen.1.3`. */
  verseId?: string;
  anchor?: Anchor;
  /** The text that the verse stands in, as `anchor.work.id`. */
  work?: string;
  color?: string;
  comment?: string;
  tags?: readonly string[];
  /** A date, or milliseconds since 1970; shown, and never compared in a merge. */
  createdAt?: number | string | Date;
  updatedAt?: number | string | Date;
}

export interface HighlightUpdate {
  color?: string;
  style?: string;
  comment?: string;
  addTags?: readonly string[];
  removeTags?: readonly string[];
  updatedAt?: number | string | Date;
}

export interface RealtimeSync {
  /** Makes a highlight and returns its id. Throws `InvalidEdit`, or `Error` while the library is not loaded yet. */
  sendHighlightCreate: (highlight: HighlightCreate) => string;
  sendHighlightUpdate: (id: string, change: HighlightUpdate) => void;
  /** Moves a highlight to the trash. */
  sendHighlightDelete: (id: string) => void;
  isConnected: boolean;
  status: SyncStatus;
  /** Edits that the relay is not known to have stored. */
  pending: number;
  lastError: string | null;
  presence: readonly Present[];
  /** False until this browser's copy is loaded. */
  isLoaded: boolean;
}

/** An account's library, live: what to call on an edit, and how it stands with the relay. Edits work offline. */
export function useRealtimeSync(userId?: string): RealtimeSync {
  const { session, error } = useSession(userId);
  const status = useStatusOf(session);
  const presence = usePresenceOf(session);
  const library = session?.library ?? null;
  const actions = useMemo(() => actionsOn(library), [library]);
  const lastError = error?.message ?? status.lastError ?? session?.keepsNothing ?? null;
  const isConnected = status.state === "connected";
  return { ...actions, isConnected, status, pending: status.pending, lastError, presence, isLoaded: library !== null };
}

/** The highlights that a filter lets through, the oldest first; empty until the library is loaded. */
export function useHighlights(filter: HighlightFilter = {}, userId?: string): readonly Highlight[] {
  return useQuery(useSession(userId).session, ITEMS, filter, highlightsOf, NONE);
}

/** The notes that a filter lets through, the newest first. */
export function useNotes(filter: NoteFilter = {}, userId?: string): readonly Note[] {
  return useQuery(useSession(userId).session, ITEMS, filter, notesOf, NONE);
}

/** Who has the library open, this page included if it shows itself. */
export function usePresence(userId?: string): readonly Present[] {
  return usePresenceOf(useSession(userId).session);
}

/** How the library stands with its relay. */
export function useSyncStatus(userId?: string): SyncStatus {
  return useStatusOf(useSession(userId).session);
}

const highlightsOf = (library: LibraryClient, filter: HighlightFilter): readonly Highlight[] => library.highlights(filter);
const notesOf = (library: LibraryClient, filter: NoteFilter): readonly Note[] => library.notes(filter);
function useStatusOf(session: LibrarySession | null): SyncStatus {
  return useSyncExternalStore(
    session?.provider.subscribe ?? noSource,
    () => session?.provider.status ?? OFFLINE,
    () => OFFLINE,
  );
}

function usePresenceOf(session: LibrarySession | null): readonly Present[] {
  const last = useRef<{ session: LibrarySession; present: readonly Present[]; stale: boolean } | null>(null);
  const awareness = session?.provider.awareness;
  return useSyncExternalStore(
    useCallback(
      (listener) => {
        const changed = () => {
          if (last.current) last.current.stale = true;
          listener();
        };
        awareness?.on("change", changed);
        return () => awareness?.off("change", changed);
      },
      [awareness],
    ),
    () => {
      if (!session) return NONE;
      if (last.current?.session === session && !last.current.stale) return last.current.present;
      const { clientID } = session.provider.awareness;
      const present = [...session.provider.awareness.getStates()]
        .filter(([, state]) => Object.keys(state).length > 0)
        .map(([clientId, state]) => ({ clientId, person: personOf(state), isSelf: clientId === clientID, state }));
      last.current = { session, present, stale: false };
      return present;
    },
    () => NONE,
  );
}

function actionsOn(library: LibraryClient | null) {
  const loaded = (): LibraryClient => {
    if (!library) throw new Error("the library is not loaded yet; wait until isLoaded is true");
    return library;
  };
  return {
    sendHighlightCreate: ({ verseId, anchor, work, createdAt, updatedAt, ...rest }: HighlightCreate): string => {
      const given: Anchor = { ...(work === undefined ? {} : { work: { id: work } }), ...anchor };
      return loaded().addHighlight({
        ...rest,
        anchor: verseId === undefined ? given : { ...given, source: verseId },
        ...whenGiven("createdAtMs", createdAt),
        ...whenGiven("updatedAtMs", updatedAt),
      });
    },
    sendHighlightUpdate: (id: string, { updatedAt, ...change }: HighlightUpdate): void =>
      loaded().editHighlight(id, { ...change, ...whenGiven("updatedAtMs", updatedAt) }),
    sendHighlightDelete: (id: string): void => loaded().trash(id),
  };
}

function whenGiven<Key extends string>(key: Key, time: number | string | Date | undefined): { [K in Key]?: number } {
  if (time === undefined) return {};
  const ms = typeof time === "number" ? time : new Date(time).getTime();
  if (!Number.isFinite(ms)) throw new TypeError(`${String(time)} is no time; give milliseconds, an ISO 8601 date or a Date`);
  return { [key]: Math.trunc(ms) } as { [K in Key]?: number };
}

const noSubscription = () => undefined;
const noSource = () => noSubscription;
