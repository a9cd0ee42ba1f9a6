/**
 * The tabs of one browser that have the same room open, kept in step without the relay.
 *
 * What another tab writes is sent on to the relay as any other edit: two tabs may send the same, and it counts once. What
 * another tab has from the relay is not: it has the origin `STORED`, and a relay shows nothing before it is durable.
 */
import type { Awareness } from "y-protocols/awareness";
import { applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { integrated } from "./integrated.js";

type TabMessage =
  | { kind: "step1"; from: number; stateVector: Uint8Array }
  | { kind: "step2"; to: number; update: Uint8Array }
  | { kind: "update"; update: Uint8Array; isStored: boolean }
  | { kind: "awareness"; update: Uint8Array }
  | { kind: "signed out" };

/** The origin of updates that another tab has from the relay. */
export const STORED = Symbol("stored on the relay");

export interface TabsEvents {
  /** Says whether the updates of an origin came from the relay. */
  isStored(origin: unknown): boolean;
  /** Another tab has signed the account out. */
  signedOut(): void;
}

export class Tabs {
  private readonly channel: BroadcastChannel;
  private readonly id = crypto.getRandomValues(new Uint32Array(1))[0]!;

  constructor(
    name: string,
    private readonly doc: Y.Doc,
    private readonly awareness: Awareness,
    private readonly events: TabsEvents,
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

  /** Says goodbye: a tab that has gone must not be seen by the others until its presence times out. */
  close(): void {
    this.doc.off("update", this.onUpdate);
    this.awareness.off("update", this.onAwareness);
    const own = this.awareness.clientID;
    if (this.awareness.getLocalState() !== null)
      this.post({ kind: "awareness", update: encodeAwarenessUpdate(this.awareness, [own], new Map()) });
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
          Y.applyUpdate(this.doc, message.update, message.isStored ? STORED : this);
          break;
        case "awareness":
          applyAwarenessUpdate(this.awareness, message.update, this);
          break;
        case "signed out":
          this.events.signedOut();
          break;
      }
    } catch (error) {
      // another tab may run another version of the application; what it says and we cannot read is not for us
      console.warn("crdt-sync: another tab said what cannot be read", error);
    }
  }

  /** Both give: the one that asks has perhaps what this one lacks. */
  private answer(to: number, stateVector: Uint8Array): void {
    this.post({ kind: "step2", to, update: integrated(this.doc, stateVector) });
    const theirs = Y.decodeStateVector(stateVector);
    const lacks = [...theirs].some(([client, clock]) => clock > Y.getState(this.doc.store, client));
    if (lacks) this.greet();
    if (this.awareness.getLocalState() !== null) this.postPresence();
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this && origin !== STORED) this.post({ kind: "update", update, isStored: this.events.isStored(origin) });
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
