/** Providers against a relay, and bounded waits for what they see. */
import { afterEach } from "vitest";
import * as Y from "yjs";
import { RelayProvider } from "../src/provider/provider";
import type { ProviderOptions } from "../src/provider/provider";
import type { SyncStatus } from "../src/provider/status";

const open: RelayProvider[] = [];
afterEach(() => {
  for (const provider of open.splice(0)) provider.destroy();
});

/** A provider that is destroyed after the test. */
export function device(options: Partial<ProviderOptions> & { relay: string; room: string }, doc = new Y.Doc()): RelayProvider {
  const provider = new RelayProvider(doc, { tabs: false, ...options });
  open.push(provider);
  return provider;
}

/** Resolves once `is` holds of the status; the test's own time bounds it. */
export function until(provider: RelayProvider, is: (status: SyncStatus) => boolean): Promise<SyncStatus> {
  return new Promise((resolve) => {
    const look = () => {
      if (!is(provider.status)) return;
      unsubscribe();
      resolve(provider.status);
    };
    const unsubscribe = provider.subscribe(look);
    look();
  });
}

/** Resolves once the key has the value on this device. */
export function holds(provider: RelayProvider, key: string, value: unknown): Promise<void> {
  const map = provider.doc.getMap("fields");
  return new Promise((resolve) => {
    const look = () => {
      if (map.get(key) !== value) return;
      map.unobserve(look);
      resolve();
    };
    map.observe(look);
    look();
  });
}

export const set = (provider: RelayProvider, key: string, value: unknown) => provider.doc.getMap("fields").set(key, value);

/** Resolves once `one` sees `other` present, or (`is` false) sees it gone. */
export function sees(one: RelayProvider, other: RelayProvider, is = true): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (one.awareness.getStates().has(other.awareness.clientID) !== is) return;
      one.awareness.off("change", look);
      resolve();
    };
    one.awareness.on("change", look);
    look();
  });
}
