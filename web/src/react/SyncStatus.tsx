/** Says how the library stands with its relay: in words, a shape and a colour, for eyes and screen readers alike. */
import type { ReactNode } from "react";
import type { SyncStatus as Status } from "../provider/status.js";
import { useSession } from "./context.js";
import { useSyncStatus } from "./hooks.js";

/** What the component says, in one place for translation; `{n}` is a number. */
export interface SyncStatusTexts {
  connected: string;
  connectedPolling: string;
  connecting: string;
  syncing: (pending: number) => string;
  offline: (pending: number) => string;
  readOnly: string;
  signIn: string;
  stopped: string;
  retry: string;
  signInAction: string;
}

export const ENGLISH: SyncStatusTexts = {
  connected: "Up to date",
  connectedPolling: "Up to date, checking for news (polling)",
  connecting: "Connecting…",
  syncing: (pending) => (pending ? `Saving ${changes(pending)}…` : "Syncing…"),
  offline: (pending) => (pending ? `Offline, ${changes(pending)} waiting` : "Offline"),
  readOnly: "Read-only here",
  signIn: "Sign in to sync",
  stopped: "Sync has stopped",
  retry: "Try again",
  signInAction: "Sign in",
};

const changes = (count: number): string => (count === 1 ? "1 change" : `${count} changes`);

export type SyncKind = "connected" | "polling" | "syncing" | "offline" | "sign-in" | "stopped" | "read-only";

/** What a status comes to for a person. */
export function kindOf(status: Status): SyncKind {
  switch (status.state) {
    case "connected":
      if (!status.takesEdits) return "read-only";
      if (status.pending && status.confirmsStorage) return "syncing";
      return status.transport === "polling" ? "polling" : "connected";
    case "syncing":
      return "syncing";
    case "connecting":
      return status.lastError === null ? "syncing" : "offline"; // while it tries again it is still offline
    case "sign in":
      return "sign-in";
    case "stopped":
      return "stopped";
    default:
      return "offline";
  }
}

// each readable on white and on #111, above 4.5:1, together with a shape: colour alone tells nobody anything
const LOOKS: Record<SyncKind, { color: string; shape: string }> = {
  connected: { color: "#2f8f46", shape: "●" },
  polling: { color: "#2f8f46", shape: "◐" },
  syncing: { color: "#3b7ddd", shape: "↻" },
  offline: { color: "#b26a00", shape: "○" },
  "sign-in": { color: "#c2410c", shape: "!" },
  stopped: { color: "#d03030", shape: "×" },
  "read-only": { color: "#777777", shape: "◌" },
};

export interface SyncStatusProps {
  userId?: string;
  /** Shows a button while somebody must sign in; the library connects again by itself afterwards. */
  onSignIn?: () => void | Promise<void>;
  texts?: Partial<SyncStatusTexts>;
  className?: string;
}

/** A line of status, with a button where a person can do something. It can be styled by `data-sync`. */
export function SyncStatus({ userId, onSignIn, texts, className }: SyncStatusProps): ReactNode {
  const status = useSyncStatus(userId);
  const { session } = useSession(userId);
  const says = { ...ENGLISH, ...texts };
  const kind = kindOf(status);
  const { color, shape } = LOOKS[kind];
  const again = async () => {
    if (kind === "sign-in") await onSignIn?.();
    session?.provider.reconnect();
  };
  const canAct = kind === "sign-in" || kind === "stopped" || (kind === "offline" && status.state === "waiting");
  return (
    <span className={className} data-sync={kind} style={{ display: "inline-flex", alignItems: "center", gap: "0.4em" }}>
      <span aria-hidden="true" style={{ color, fontWeight: "bold" }}>
        {shape}
      </span>
      <span role="status" aria-live="polite" title={kind === "connected" ? undefined : (status.lastError ?? undefined)}>
        {textOf(kind, status, says)}
      </span>
      {canAct && (
        <button type="button" onClick={() => void again()}>
          {kind === "sign-in" ? says.signInAction : says.retry}
        </button>
      )}
    </span>
  );
}

function textOf(kind: SyncKind, status: Status, says: SyncStatusTexts): string {
  switch (kind) {
    case "connected":
      return says.connected;
    case "polling":
      return says.connectedPolling;
    case "syncing":
      return status.state === "connecting" ? says.connecting : says.syncing(status.pending);
    case "offline":
      return says.offline(status.pending);
    case "read-only":
      return says.readOnly;
    case "sign-in":
      return says.signIn;
    case "stopped":
      return status.lastError ? `${says.stopped}: ${status.lastError}` : says.stopped;
  }
}
