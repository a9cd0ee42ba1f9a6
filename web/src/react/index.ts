/** React hooks and components over `crdt-sync`. */
export { CrdtSync, useSession } from "./context.js";
export type { CrdtSyncProps } from "./context.js";
export { useHighlights, useNotes, usePresence, useRealtimeSync, useSyncStatus } from "./hooks.js";
export type { HighlightCreate, HighlightUpdate, Present, RealtimeSync } from "./hooks.js";
export { useCollectionItems, useCollections, useTags } from "./organising.js";
export { useBookmarks, useReadingPlace, useReadingPositions } from "./reading.js";
export type { ReadingHere, ReadingOptions } from "./reading.js";
export { SyncStatus, ENGLISH } from "./SyncStatus.js";
export type { SyncStatusProps, SyncStatusTexts } from "./SyncStatus.js";
export { Avatars } from "./Avatars.js";
export type { AvatarsProps } from "./Avatars.js";
export { LibrarySession } from "../session.js";
export type { LibraryOptions } from "../session.js";
