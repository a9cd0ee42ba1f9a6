/** Who else is here and where they read; and showing oneself. */
import { usePresence, useSession } from "crdt-sync/react";
import { useEffect, useMemo } from "react";
import { chapterId, parsePlace } from "../bible/place";
import type { Chapter } from "../bible/place";
import { WORK } from "../bible/text";
import type { Account } from "./account";
import { useSettings } from "./settings";

export interface Companion {
  readonly key: string;
  readonly name: string;
  readonly color: string;
  readonly place: Chapter | null;
}

/** Shows this page's person and chapter to the others. */
export function useShowSelf(account: Account, here: Chapter): void {
  const { session } = useSession();
  const { settings } = useSettings();
  const awareness = session?.provider.awareness;
  const name = account.name || settings.name || account.subject || "Reader";
  const { subject } = account;
  useEffect(() => awareness?.setLocalStateField("user", subject === null ? { name } : { name, subject }), [awareness, name, subject]);
  const source = chapterId(here);
  useEffect(() => awareness?.setLocalStateField("reading", { work: WORK.id, source }), [awareness, source]);
}

/** Returns the others, one entry a person; where they read is their word, and read leniently. */
export function useCompany(): readonly Companion[] {
  const presence = usePresence();
  return useMemo(() => {
    const people = new Map<string, Companion>();
    for (const { person, isSelf, clientId, state } of presence) {
      if (!person || isSelf) continue;
      const reading = state.reading as { work?: unknown; source?: unknown } | null | undefined;
      const place = reading?.work === WORK.id && typeof reading.source === "string" ? parsePlace(reading.source) : null;
      people.set(person.subject ?? `${clientId}`, { key: person.subject ?? `${clientId}`, name: person.name || "?", color: person.color, place });
    }
    return [...people.values()];
  }, [presence]);
}
