/** What a page learns of its machine and network. Outside of a browser it learns nothing. */

const SLEPT_MS = 15_000;
const LOOK_EVERY_MS = 5000;

export interface PageWatcher {
  /** The machine has slept, or the page was hidden for a while: what was open may be dead. */
  awake(): void;
  online(): void;
  offline(): void;
  /** The page goes, perhaps into the back/forward cache. */
  leaving(): void;
  /** It has come back from there. */
  returned(): void;
}

/** Tells `watcher` what happens until what is returned is called. */
export function watchPage(watcher: PageWatcher): () => void {
  if (typeof window === "undefined") return () => undefined;
  let looked = Date.now();
  const look = () => {
    const now = Date.now();
    if (now - looked > SLEPT_MS) watcher.awake();
    looked = now;
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  const visible = () => {
    if (document.visibilityState === "visible") look();
  };
  const leaving = () => watcher.leaving();
  const online = () => watcher.online();
  const offline = () => watcher.offline();
  const shown = (event: PageTransitionEvent) => {
    if (event.persisted) watcher.returned();
  };
  window.addEventListener("online", online);
  window.addEventListener("offline", offline);
  window.addEventListener("pagehide", leaving);
  window.addEventListener("pageshow", shown);
  document.addEventListener("visibilitychange", visible);
  return () => {
    clearInterval(timer);
    window.removeEventListener("online", online);
    window.removeEventListener("offline", offline);
    window.removeEventListener("pagehide", leaving);
    window.removeEventListener("pageshow", shown);
    document.removeEventListener("visibilitychange", visible);
  };
}
