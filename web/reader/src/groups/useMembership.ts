/**
 * What one may do in a group, as its relay says it now. An owner's reader tells the others when it has changed the
 * members: they ask the relay again, so nobody has to believe what was told.
 */
import { usePresence, useRealtimeSync, useSession } from "crdt-sync/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { RelayRefused } from "../session/relay";
import { roomOf } from "./api";
import type { Role } from "./api";

export interface Membership {
  readonly name: string | null;
  /** Null while it is not known: in one's own library, or with no network. */
  readonly role: Role | null;
  /** Why one is in it no more. */
  readonly ended: "removed" | "deleted" | null;
  /** Raised whenever the relay has said it anew: who is in the group may have changed, too. */
  readonly asOf: number;
}

const NOTHING: Membership = { name: null, role: null, ended: null, asOf: 0 };
const FIELD = "roster";
const AT_MOST_EVERY_MS = 1000; // whoever is in the group can tell of changes without end

/** Returns one's membership of a group, and what to call when one has changed its members. */
export function useMembership(group: string | null): Membership & { changed: () => void } {
  const { session } = useSession();
  const { status } = useRealtimeSync();
  const presence = usePresence();
  const [membership, setMembership] = useState(NOTHING);
  const asked = useRef({ atMs: -Infinity, number: 0, timer: undefined as ReturnType<typeof setTimeout> | undefined });
  const provider = session?.provider;
  const told = presence.map(({ isSelf, clientId, state }) => (isSelf || !state[FIELD] ? "" : `${clientId}:${String(state[FIELD])} `)).join("");

  const ask = useCallback(() => {
    const { current } = asked;
    clearTimeout(current.timer);
    if (group === null) return;
    current.timer = setTimeout(() => {
      current.atMs = performance.now();
      const number = (current.number += 1);
      roomOf(group).then(
        ({ name, role }) => number === current.number && setMembership({ name, role, ended: null, asOf: number }),
        (error: unknown) => {
          if (!(error instanceof RelayRefused)) throw error;
          const ended = error.code === "no-such-room" ? "removed" : error.code === "room-deleted" ? "deleted" : null;
          if (ended && number === current.number) setMembership(({ name }) => ({ name, role: null, ended, asOf: number }));
        },
      );
    }, Math.max(0, current.atMs + AT_MOST_EVERY_MS - performance.now()));
  }, [group]);

  useEffect(() => {
    ask();
    const onShown = () => document.visibilityState === "visible" && ask();
    document.addEventListener("visibilitychange", onShown);
    const { current } = asked;
    return () => {
      document.removeEventListener("visibilitychange", onShown);
      clearTimeout(current.timer);
    };
  }, [ask]);
  useEffect(ask, [ask, told, status.state, status.takesEdits]);
  useEffect(() => {
    if (!provider || membership.role === null) return;
    const { state, takesEdits } = provider.status;
    if (state === "stopped") provider.reconnect(); // an edit was refused, or one was out for a while
    else if (membership.role === "reader" && takesEdits && state === "connected") {
      provider.disconnect(); // a reader's connection says so, in the status too
      provider.connect();
    }
  }, [provider, membership]);
  const changed = useCallback(() => {
    provider?.awareness.setLocalStateField(FIELD, Date.now());
    ask();
  }, [provider, ask]);
  return { ...membership, changed };
}
