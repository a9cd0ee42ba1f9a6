/** Groups, who is in them, and their discussions over the relay's HTTP API (docs/sharing.md, docs/discussions.md). */
import { token } from "../session/account";
import { ask } from "../session/relay";

export type Role = "reader" | "editor" | "owner";

export interface Room {
  readonly room: string;
  readonly name: string | null;
  readonly role: Role;
}

export interface Member {
  readonly subject: string;
  readonly name: string | null;
  readonly role: Role;
}

/** One that can still be accepted; its token was told once, to who made it. */
export interface OpenInvitation {
  readonly id: string;
  readonly role: Role;
  readonly expires_ms: number;
  readonly uses_left: number | null;
}

const inPath = encodeURIComponent;
const pathOf = (room: string): string => `/rooms/${inPath(room)}`;

/** Asks for all pages of a list. */
async function pages<Key extends string, Item>(path: string, key: Key): Promise<Item[]> {
  const found: Item[] = [];
  let after: string | null = null;
  do {
    const page: Record<Key, Item[]> & { next: string | null } = await ask(token(), "GET", `${path}${after === null ? "" : `?after=${inPath(after)}`}`);
    found.push(...page[key]);
    after = page.next;
  } while (after !== null);
  return found;
}

/** Returns the groups of who is signed in. */
export const groups = async (): Promise<Room[]> => (await pages<"rooms", Room>("/rooms", "rooms")).filter(({ room }) => room.startsWith("g/"));
export const roomOf = (room: string): Promise<Room> => ask(token(), "GET", pathOf(room));
export const createGroup = (name: string): Promise<Room> => ask(token(), "POST", "/groups", { name });

export const members = (room: string): Promise<Member[]> => pages(`${pathOf(room)}/members`, "members");
export const setRole = (room: string, subject: string, role: Role): Promise<Member> =>
  ask(token(), "PATCH", `${pathOf(room)}/members/${inPath(subject)}`, { role });
/** Takes a member out; with one's own subject, leaves. */
export const removeMember = (room: string, subject: string): Promise<unknown> => ask(token(), "DELETE", `${pathOf(room)}/members/${inPath(subject)}`);

/** Returns a link that lets one person in, within a week. An owner is made among the members, never by a link. */
export async function invite(room: string, role: Role): Promise<string> {
  const { token: invitation } = await ask<{ token: string }>(token(), "POST", `${pathOf(room)}/invitations`, { role });
  return `${location.origin}${location.pathname}#join=${inPath(invitation)}`; // behind the hash, so that no log has it
}

export const invitations = async (room: string): Promise<OpenInvitation[]> =>
  (await ask<{ invitations: OpenInvitation[] }>(token(), "GET", `${pathOf(room)}/invitations`)).invitations;
export const revoke = (room: string, id: string): Promise<unknown> => ask(token(), "DELETE", `${pathOf(room)}/invitations/${inPath(id)}`);
export const accept = (invitation: string): Promise<Room> => ask(token(), "POST", "/invitations/accept", { token: invitation });

/** Takes the invitation out of the address, if one stands there. */
export function invitationInAddress(): string | null {
  const [, invitation] = /^#join=(.+)$/.exec(location.hash) ?? [];
  if (!invitation) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return decodeURIComponent(invitation);
}

export type Action =
  | { readonly do: "open"; readonly highlight: string; readonly text: string }
  | { readonly do: "reply"; readonly thread: string; readonly text: string }
  | { readonly do: "react" | "unreact"; readonly post: string; readonly reaction: string }
  | { readonly do: "delete" | "hide" | "unhide" | "remove"; readonly post: string }
  | { readonly do: "resolve" | "reopen"; readonly thread: string };

/** Makes an action's id; an action that is sent again with its id is done once. */
export const actionId = (): string => crypto.randomUUID().replaceAll("-", "");

export const act = (room: string, id: string, action: Action): Promise<unknown> =>
  ask(token(), "POST", `${pathOf(room)}/discussion`, { id, ...action });
