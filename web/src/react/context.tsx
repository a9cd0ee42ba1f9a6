/** Which library the hooks below it work on. */
import { createContext, useCallback, useContext, useRef, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import type { LibraryOptions } from "../session.js";
import { sharedSession } from "./sessions.js";
import type { Opening } from "./sessions.js";

export interface CrdtSyncProps extends Omit<LibraryOptions, "room" | "subject"> {
  /** Whose library the hooks show, unless they name another. */
  userId?: string;
  /** The room of an account's library; `u/<user id>` if it is not given. */
  roomOf?: (userId: string) => string;
  children?: ReactNode;
}

type Config = Omit<CrdtSyncProps, "children">;

const Context = createContext<Config | null>(null);
const NOTHING: Opening = { session: null, error: null };
const NO_SUBSCRIPTION = () => () => undefined;

/** Gives the hooks below it their relay. `token` may be a new function at each render: the newest is asked. */
export function CrdtSync({ children, ...config }: CrdtSyncProps): ReactNode {
  const newest = useRef(config.token);
  newest.current = config.token;
  const ask = useCallback(() => (typeof newest.current === "function" ? newest.current() : (newest.current ?? null)), []);
  const given = typeof config.token === "function" ? { ...config, token: ask } : config;
  return <Context.Provider value={given}>{children}</Context.Provider>;
}

/**
 * Returns the session of an account, null until this browser's copy is loaded, and why it could not be opened.
 *
 * @throws {Error} outside of `<CrdtSync>`.
 */
export function useSession(userId?: string): Opening {
  const config = useContext(Context);
  if (!config) throw new Error("put <CrdtSync relay=… userId=…> around what uses the hooks of crdt-sync");
  const { roomOf = (id: string) => `u/${id}`, userId: whose, ...options } = config;
  const subject = userId ?? whose;
  const isBrowser = typeof window !== "undefined"; // a server renders what is shown before anything is loaded
  const shared = subject === undefined || !isBrowser ? null : sharedSession({ ...options, room: roomOf(subject), subject });
  return useSyncExternalStore(
    useCallback((listener) => shared?.subscribe(listener) ?? NO_SUBSCRIPTION(), [shared]),
    () => shared?.opening ?? NOTHING,
    () => NOTHING,
  );
}
