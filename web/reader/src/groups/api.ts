/** Groups and their discussions over the relay's HTTP API (docs/sharing.md, docs/discussions.md). */
import { token } from "../session/account";
import { ask } from "../session/relay";

export interface Room {
  readonly room: string;
  readonly name: string | null;
  readonly role: "reader" | "editor" | "owner";
}

const inPath = encodeURIComponent;

/** Returns the groups of who is signed in. */
export async function groups(): Promise<Room[]> {
  const found: Room[] = [];
  let after: string | null = null;
  do {
    const page: { rooms: Room[]; next: string | null } = await ask(token(), "GET", `/rooms${after === null ? "" : `?after=${inPath(after)}`}`);
    found.push(...page.rooms.filter(({ room }) => room.startsWith("g/")));
    after = page.next;
  } while (after !== null);
  return found;
}

export const createGroup = (name: string): Promise<Room> => ask(token(), "POST", "/groups", { name });

/** Returns a link that lets one person in, as an editor. */
export async function invite(room: string): Promise<string> {
  const { token: invitation } = await ask<{ token: string }>(token(), "POST", `/rooms/${inPath(room)}/invitations`, { role: "editor" });
  return `${location.origin}${location.pathname}#join=${inPath(invitation)}`; // behind the hash, so that no log has it
}

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
  | { readonly do: "delete"; readonly post: string }
  | { readonly do: "resolve" | "reopen"; readonly thread: string };

/** Makes an action's id; an action that is sent again with its id is done once. */
export const actionId = (): string => crypto.randomUUID().replaceAll("-", "");

export const act = (room: string, id: string, action: Action): Promise<unknown> =>
  ask(token(), "POST", `/rooms/${inPath(room)}/discussion`, { id, ...action });
