/** React hooks and components over `crdt-sync`. */
export { CrdtSync, useSession } from "./context";
export type { CrdtSyncProps } from "./context";
export { useHighlights, useNotes, usePresence, useRealtimeSync, useSyncStatus } from "./hooks";
export type { HighlightCreate, HighlightUpdate, Present, RealtimeSync } from "./hooks";
export { SyncStatus, ENGLISH } from "./SyncStatus";
export type { SyncStatusProps, SyncStatusTexts } from "./SyncStatus";
export { Avatars } from "./Avatars";
export type { AvatarsProps } from "./Avatars";
export { LibrarySession } from "../session";
export type { LibraryOptions } from "../session";
