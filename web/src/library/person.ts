/**
 * Who a presence is of: what may be shown of a state that comes from a stranger. `docs/protocol.md`, "Presence".
 *
 * A name is what one calls oneself. Only `subject` says who somebody is, and only on a relay that asks for tokens.
 */
import { digest } from "lib0/hash/sha256";

const MAX_NAME_CHARACTERS = 100;
const MAX_AVATAR_CHARACTERS = 8 * 1024;
const MAX_URL_CHARACTERS = 2048;
/** White is readable on each of these: above 4.5:1. */
export const COLORS = [
  "#9c1c1c", "#a33a00", "#865200", "#6b5c00", "#4d6600", "#236b1e", "#006b4a", "#006969",
  "#00628a", "#0b57a4", "#3d4fb8", "#5c43b5", "#7b35a8", "#94298c", "#a3245f", "#5f5348",
] as const; // prettier-ignore
const COLOR = /^#[0-9a-f]{6}$/i;
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/]+={0,2}$/; // no SVG: it has scripts

export interface Person {
  readonly name: string;
  /** `#rrggbb`. */
  readonly color: string;
  /** An https URL or a small picture in a data URI. */
  readonly avatar: string | null;
  readonly subject: string | null;
}

/** Reads a presence of anybody, leniently; null if it is of no person. */
export function personOf(state: unknown): Person | null {
  const user = isObject(state) ? state.user : null;
  if (!isObject(user)) return null;
  const subject = typeof user.subject === "string" && user.subject ? user.subject : null;
  const name = typeof user.name === "string" ? [...user.name].slice(0, MAX_NAME_CHARACTERS).join("") : "";
  const color = typeof user.color === "string" && COLOR.test(user.color) ? user.color.toLowerCase() : colorOf(subject ?? name);
  return { name, color, avatar: isAvatar(user.avatar) ? user.avatar : null, subject };
}

/** The colour of a subject, the same on every device. */
export function colorOf(subject: string): string {
  return COLORS[digest(new TextEncoder().encode(subject))[0]! % COLORS.length]!;
}

/** Black or white, whichever can be read on `color` (WCAG 2.2, "contrast ratio"). */
export function textColorOn(color: string): "#000000" | "#ffffff" {
  const [red, green, blue] = [1, 3, 5].map((at) => linear(parseInt(color.slice(at, at + 2), 16) / 255));
  const luminance = 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}

function isAvatar(value: unknown): value is string {
  if (typeof value !== "string" || value.length > MAX_AVATAR_CHARACTERS) return false;
  if (PICTURE.test(value)) return true;
  if (!/^https:\/\/[\x21-\x7e]+$/.test(value) || value.length > MAX_URL_CHARACTERS) return false;
  try {
    const url = new URL(value);
    return url.username === "" && url.password === "";
  } catch {
    return false;
  }
}

const linear = (channel: number): number => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4);

const isObject = (value: unknown): value is Record<string, unknown> => 
  typeof value === "object" && value !== null && !Array.isArray(value);
