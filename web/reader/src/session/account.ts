/** Who reads here. In open mode nobody is asked; else a token says it, for as long as this tab lives. */
import { forgetDevice } from "crdt-sync";
import { RELAY, RelayRefused, ask } from "./relay";

export interface Account {
  /** Null in open mode. */
  readonly subject: string | null;
  readonly name: string | null;
}

export type Boot =
  | { readonly state: "asking" }
  | { readonly state: "in"; readonly account: Account }
  | { readonly state: "sign in"; readonly refused: boolean }
  | { readonly state: "unreachable"; readonly reason: string };

const TOKEN = "reader/token";
const ACCOUNT = "reader/account";

export const token = (): string | null => sessionStorage.getItem(TOKEN);

/**
 * Asks the relay who this is. Without a network, or with a token that has gone with its tab, whoever was here last goes
 * on with what this browser keeps: signing in is needed to sync, not to read.
 */
export async function boot(): Promise<Boot> {
  const known = remembered();
  try {
    const account = await ask<Account>(token(), "GET", "/me");
    remember(account);
    return { state: "in", account };
  } catch (error) {
    if (!(error instanceof RelayRefused)) throw error;
    if (known && (error.status === 0 || error.status >= 500 || (error.status === 401 && known.subject !== null)))
      return { state: "in", account: known };
    if (error.status === 401) return { state: "sign in", refused: token() !== null };
    return { state: "unreachable", reason: error.status === 0 ? "" : error.message };
  }
}

/** Tries a token; keeps it in this tab and returns whose it is. Throws `RelayRefused`. */
export async function signIn(given: string): Promise<Account> {
  const account = await ask<Account>(given, "GET", "/me");
  sessionStorage.setItem(TOKEN, given);
  remember(account);
  return account;
}

/** Forgets token and account; the library is wiped by who has it open. */
export function forget(): void {
  sessionStorage.removeItem(TOKEN);
  for (const key of Object.keys(localStorage)) if (key.startsWith("reader/") && key !== "reader/settings") localStorage.removeItem(key);
  forgetDevice();
}

/** Destroys what this browser keeps of an account's libraries on this relay: its own, its groups' and their threads. */
export async function forgetLibraries({ subject }: Account): Promise<void> {
  if (subject === null) return;
  const [first, last] = [`crdt-sync/${encodeURIComponent(RELAY)}/`, `/${encodeURIComponent(subject)}`];
  for (const { name } of await indexedDB.databases()) if (name?.startsWith(first) && name.endsWith(last)) indexedDB.deleteDatabase(name);
}

const remember = (account: Account): void => localStorage.setItem(ACCOUNT, JSON.stringify(account));

function remembered(): Account | null {
  try {
    const { subject, name } = JSON.parse(localStorage.getItem(ACCOUNT) ?? "null") as Account;
    return { subject: typeof subject === "string" ? subject : null, name: typeof name === "string" ? name : null };
  } catch {
    return null;
  }
}
