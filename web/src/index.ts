/** crdt-sync in a browser: a library of highlights and notes, its provider, and where this browser keeps it. */
export { LibraryClient, InvalidEdit } from "./library/client";
export type { HighlightChange, HighlightFilter, NewHighlight, NoteFilter } from "./library/client";
export type { Anchor, Highlight, Note, Position, Quote } from "./library/values";
export { LocalStore, NothingIsKept, storeName } from "./provider/localStore";
export { LibrarySession } from "./session";
export type { LibraryOptions } from "./session";
export { RelayProvider } from "./provider/provider";
export type { ProviderOptions } from "./provider/provider";
export type { SyncState, SyncStatus } from "./provider/status";
export type { Token } from "./provider/credentials";
export { CloseCode } from "./protocol/closeCodes";
