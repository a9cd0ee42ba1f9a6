/**
 * The tabs of one browser that have the same room open, kept in step without the relay.
 *
 * What another tab writes is sent on to the relay as any other edit: two tabs may send the same, and it counts once.
 */
import type { Awareness } from "y-protocols/awareness";
import { applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";

type TabMessage =
  | { kind: "step1"; from: number; stateVector: Uint8Array }
  | { kind: "step2"; to: number; update: Uint8Array }
  | { kind: "update"; update: Uint8Array }
  | { kind: "awareness"; update: Uint8Array }
  | { kind: "signed out" };

export class Tabs {
  private readonly channel: BroadcastChannel;
  private readonly id = crypto.getRandomValues(new Uint32Array(1))[0]!;

  constructor(
    name: string,
    private readonly doc: Y.Doc,
    private readonly awareness: Awareness,
    private readonly onSignedOut: () => void,
  ) {
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = (event: MessageEvent<unknown>) => this.take(event.data as TabMessage);
    doc.on("update", this.onUpdate);
    awareness.on("update", this.onAwareness);
    this.greet();
  }

  /** Asks the other tabs for what they have and who is there. */
  greet(): void {
    this.post({ kind: "step1", from: this.id, stateVector: Y.encodeStateVector(this.doc) });
  }

  /** Tells the other tabs that the account has left this browser. */
  signOut(): void {
    this.post({ kind: "signed out" });
  }

  close(): void {
    this.doc.off("update", this.onUpdate);
    this.awareness.off("update", this.onAwareness);
    this.channel.close();
  }

  private take(message: TabMessage): void {
    try {
      switch (message.kind) {
        case "step1":
          this.answer(message.from, message.stateVector);
          break;
        case "step2":
          if (message.to === this.id) Y.applyUpdate(this.doc, message.update, this);
          break;
        case "update":
          Y.applyUpdate(this.doc, message.update, this);
          break;
        case "awareness":
          applyAwarenessUpdate(this.awareness, message.update, this);
          break;
        case "signed out":
          this.onSignedOut();
          break;
      }
    } catch (error) {
      // another tab may run another version of the application; what it says and we cannot read is not for us
      console.warn("crdt-sync: another tab said what cannot be read", error);
    }
  }

  /** Both give: the one that asks has perhaps what this one lacks. */
  private answer(to: number, stateVector: Uint8Array): void {
    this.post({ kind: "step2", to, update: Y.encodeStateAsUpdate(this.doc, stateVector) });
    const theirs = Y.decodeStateVector(stateVector);
    const lacks = [...theirs].some(([client, clock]) => clock > Y.getState(this.doc.store, client));
    if (lacks) this.greet();
    if (this.awareness.getLocalState() !== null) this.postPresence();
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this) this.post({ kind: "update", update });
  };

  private readonly onAwareness = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    // each speaks for itself: of the others, a tab without a connection knows less than one with
    const isOwn = [...added, ...updated, ...removed].includes(this.awareness.clientID);
    if (origin !== this && isOwn) this.postPresence();
  };

  private postPresence(): void {
    this.post({ kind: "awareness", update: encodeAwarenessUpdate(this.awareness, [this.awareness.clientID]) });
  }

  private post(message: TabMessage): void {
    this.channel.postMessage(message);
  }
}
