/** Who has the library open: a picture or initials each, and how many more there are. */
import type { ReactNode } from "react";
import { textColorOn } from "../library/person.js";
import type { Person } from "../library/person.js";
import { usePresence } from "./hooks.js";

export interface AvatarsProps {
  userId?: string;
  /** How many are shown; the rest is a number. */
  most?: number;
  /** Whether this page's own person is among them. */
  self?: boolean;
  label?: (names: readonly string[]) => string;
  className?: string;
}

/** One person on several devices is one avatar. */
export function Avatars({ userId, most = 5, self = false, label = englishLabel, className }: AvatarsProps): ReactNode {
  const people = new Map<string, Person>();
  for (const { person, isSelf, clientId } of usePresence(userId))
    if (person && (self || !isSelf)) people.set(person.subject ?? `${clientId}`, person);
  const all = [...people];
  const shown = all.slice(0, most);
  if (!all.length) return null;
  return (
    <ul className={className} aria-label={label(all.map(([, { name }]) => name))} style={LIST}>
      {shown.map(([key, person]) => (
        <li key={key} title={person.name} style={{ ...CIRCLE, background: person.color, color: textColorOn(person.color) }}>
          {person.avatar ? (
            <img src={person.avatar} alt={person.name} referrerPolicy="no-referrer" style={PICTURE} />
          ) : (
            <span aria-label={person.name} role="img">
              {initials(person.name)}
            </span>
          )}
        </li>
      ))}
      {all.length > most && <li style={{ ...CIRCLE, background: "#555555", color: "#ffffff" }}>+{all.length - most}</li>}
    </ul>
  );
}

const englishLabel = (names: readonly string[]): string =>
  names.length === 1 ? `${names[0]} is here` : `${names.length} people are here`;

function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = [...(words[0] ?? "?")][0]!;
  const last = words.length > 1 ? [...words[words.length - 1]!][0]! : "";
  return (first + last).toUpperCase();
}

const LIST = { display: "inline-flex", listStyle: "none", margin: 0, padding: 0 } as const;
const CIRCLE = {
  alignItems: "center", borderRadius: "50%", display: "inline-flex", fontSize: "0.75rem", fontWeight: 600,
  height: "1.75rem", justifyContent: "center", marginInlineStart: "-0.35rem", overflow: "hidden", width: "1.75rem",
} as const; // prettier-ignore
const PICTURE = { height: "100%", objectFit: "cover", width: "100%" } as const;
