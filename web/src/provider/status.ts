/** How a document stands with its relay. */

export type SyncState =
  | "offline" // not asked to connect
  | "connecting"
  | "syncing" // connected, and not yet through the first exchange
  | "connected"
  | "waiting" // the connection is down; the next attempt comes by itself
  | "stopped" // the relay refused for good; `lastError` says what a person must do
  | "sign in"; // the relay takes none of the tokens that there are: somebody must sign in, then `reconnect()`

/** A value: a new one is made when anything in it changes. */
export interface SyncStatus {
  readonly state: SyncState;
  readonly transport: "websocket" | "polling" | null;
  /** Edits of this browser, its other tabs and earlier visits included, that no relay is known to have stored. */
  readonly pending: number;
  /** Whether the relay says what it has stored; null until that is known. */
  readonly confirmsStorage: boolean | null;
  /** False where the relay asks for nothing of this side, as it does with readers. */
  readonly takesEdits: boolean;
  /** When the relay last confirmed that everything is stored, in milliseconds since 1970. */
  readonly durableAtMs: number | null;
  readonly lastError: string | null;
  /** When the next attempt comes, in milliseconds since 1970; null if none is due. */
  readonly retryAtMs: number | null;
}

export const OFFLINE: SyncStatus = {
  state: "offline",
  transport: null,
  pending: 0,
  confirmsStorage: null,
  takesEdits: true,
  durableAtMs: null,
  lastError: null,
  retryAtMs: null,
};

/** Says whether two statuses are alike, so that nobody is told of what has not changed. */
export function sameStatus(one: SyncStatus, other: SyncStatus): boolean {
  return (Object.keys(one) as (keyof SyncStatus)[]).every((key) => one[key] === other[key]);
}
