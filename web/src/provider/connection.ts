/**
 * One connection's life: what arrives is applied, what the document gains is sent, barriers say what is stored.
 *
 * Its rules are those of the Python engine: updates follow the answer to the relay's step 1, so that none overtakes a
 * step 2; a barrier follows the edits that it stands for; a relay that does not echo the first barrier within 3 s of the
 * sync confirms nothing, and is sent no more.
 */
import type { Awareness } from "y-protocols/awareness";
import { applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { decodeFrame, encodeMessage, ProtocolError } from "../protocol/messages.js";
import type { Message } from "../protocol/messages.js";
import { answerOf, splitUpdate } from "../protocol/split.js";
import type { Ended, Transport } from "../transport/transport.js";
import { renewAfterMs } from "./credentials.js";
import type { Credentials } from "./credentials.js";
import { integrated } from "./integrated.js";
import { STORED } from "./tabs.js";
import { Timers } from "./timers.js";

const ASK_AFTER_MS = 25_000;
const DEAD_AFTER_MS = 45_000;
const AWAKE_WITHIN_MS = 5000;
const SPEAKS_WITHIN_MS = 10_000;
const PROBE_WITHIN_MS = 3000;
const HEAL_WITHIN_MS = 10_000;

/** Who is told how a connection fares. */
export interface Observer {
  synced(): void;
  /** The relay has asked for what this side has, and was told: it takes edits. */
  asked(): void;
  /** Returns the number, above 0, of the barrier that stands for all edits made so far. */
  edits(): number;
  /** All edits that the barrier of this number stands for are stored. */
  acknowledged(number: number): void;
  confirms(storage: boolean): void;
  denied(reason: string): void;
}

export class Connection {
  private maySend = false;
  private asked = false;
  private gapIsOurs = false;
  private isSynced = false;
  private confirms: boolean | null = null;
  private readonly awaited: number[] = [];
  private barrierIsDue = false;
  private heardMs = Date.now();
  private hasHeard = false;
  private askedAlive = false;
  private isOver = false;
  private readonly timers = new Timers();

  constructor(
    private readonly transport: Transport,
    private readonly doc: Y.Doc,
    private readonly awareness: Awareness,
    private readonly credentials: Credentials,
    private readonly observer: Observer,
  ) {}

  /** Opens the conversation. */
  start(): void {
    this.doc.on("update", this.onUpdate);
    this.awareness.on("update", this.onAwareness);
    this.heardMs = Date.now();
    this.ask();
    this.awaited.push(0);
    this.send({ kind: "barrier", number: 0 });
    if (this.credentials.isCallable) this.send({ kind: "token", token: "" }); // for how long does the present one hold?
    if (this.awareness.getLocalState() !== null) this.sendPresence();
    this.timers.after("silent", SPEAKS_WITHIN_MS, () => {
      if (!this.hasHeard) this.end({ code: null, reason: "the relay stayed silent", trouble: "silent" });
    });
    this.look();
  }

  /** Stops all that the connection does by itself; the transport is the caller's. */
  stop(): void {
    this.isOver = true;
    this.doc.off("update", this.onUpdate);
    this.awareness.off("update", this.onAwareness);
    this.timers.stop();
  }

  /** The machine may have slept: ask for something that the relay must answer, and soon. */
  wake(): void {
    this.ask();
    this.expectAnswer();
  }

  /** What was on its way already may still come, and is no answer. */
  private expectAnswer(): void {
    const heard = this.heardMs;
    this.timers.after("awake", AWAKE_WITHIN_MS, () => {
      if (!this.asked) return;
      if (this.heardMs !== heard) this.expectAnswer();
      else this.end({ code: null, reason: "the relay does not answer any more", trouble: "cut" });
    });
  }

  receive(frame: Uint8Array): void {
    this.heardMs = Date.now();
    this.hasHeard = true;
    this.askedAlive = false;
    let messages: Message[];
    try {
      messages = decodeFrame(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.end({ code: null, reason: `the relay does not speak the protocol: ${error.message}` });
      return;
    }
    for (const message of messages) if (!this.isOver) this.take(message);
  }

  private take(message: Message): void {
    switch (message.kind) {
      case "step1":
        this.answer(message.stateVector);
        break;
      case "step2":
      case "update":
        this.apply(message.update, message.kind === "step2");
        break;
      case "awareness":
        this.takePresence(message.update);
        break;
      case "query":
        if (this.awareness.getLocalState() !== null) this.sendPresence();
        break;
      case "barrier":
        this.takeBarrier(message.number);
        break;
      case "denied":
        this.observer.denied(message.reason);
        break;
      case "holds":
        this.renewBefore(message.seconds * 1000);
        break;
      case "token":
      case "unknown":
        break; // what no relay sends, and what a newer one may
    }
  }

  private answer(stateVector: Uint8Array): void {
    let update: Uint8Array;
    try {
      update = integrated(this.doc, stateVector);
    } catch {
      this.end({ code: null, reason: "the relay sent a state vector that is none" });
      return;
    }
    for (const message of answerOf(update)) this.send(message);
    this.maySend = true;
    this.observer.asked();
    this.barrier();
  }

  private apply(update: Uint8Array, isStep2: boolean): void {
    try {
      Y.applyUpdate(this.doc, update, this);
    } catch (error) {
      this.end({ code: null, reason: `the relay sent an update that is none: ${String(error)}` });
      return;
    }
    if (isStep2) {
      this.asked = false;
      this.timers.cancel("heal");
      if (!this.isSynced) {
        this.isSynced = true;
        if (this.confirms === null)
          this.timers.after("probe", PROBE_WITHIN_MS, () => {
            this.confirms = false;
            this.observer.confirms(false);
          });
        this.observer.synced();
      }
      this.gapIsOurs = this.hasGap(); // of the local store or another tab: the relay has nothing more to give
    } else if (!this.hasGap()) {
      this.gapIsOurs = false;
    } else if (!this.gapIsOurs && !this.asked) {
      this.ask();
      this.timers.after("heal", HEAL_WITHIN_MS, () =>
        this.end({ code: null, reason: "an update needs content that was not sent within 10 s" }),
      );
    }
  }

  /** Yjs keeps what does not fit yet, and what is missing is to be asked for. */
  private hasGap(): boolean {
    return this.doc.store.pendingStructs !== null || this.doc.store.pendingDs !== null;
  }

  private takeBarrier(number: number): void {
    const at = this.awaited.indexOf(number);
    if (at < 0) return; // not ours: a client answers no barriers
    this.awaited.splice(0, at + 1);
    this.timers.cancel("probe");
    if (this.confirms !== true) {
      this.confirms = true;
      this.observer.confirms(true);
    }
    if (number > 0) this.observer.acknowledged(number);
  }

  private takePresence(update: Uint8Array): void {
    try {
      applyAwarenessUpdate(this.awareness, update, this);
    } catch {
      this.end({ code: null, reason: "the relay sent a presence that is none" });
    }
  }

  /** All updates but the relay's own: other tabs' and those of the local store too. */
  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this || origin === STORED || !this.maySend) return;
    for (const piece of splitUpdate(update)) this.send({ kind: "update", update: piece });
    this.barrierSoon();
  };

  /** Also where the relay said it of us: it knew us as gone, and we speak again with the higher clock that Yjs has set. */
  private readonly onAwareness = (changes: { added: number[]; updated: number[]; removed: number[] }): void => {
    const own = this.awareness.clientID;
    if (Object.values(changes).some((ids) => ids.includes(own))) this.sendPresence();
  };

  private sendPresence(): void {
    const own = [this.awareness.clientID];
    this.send({ kind: "awareness", update: encodeAwarenessUpdate(this.awareness, own) });
  }

  /** Several edits of one turn of the event loop share a barrier. */
  private barrierSoon(): void {
    if (this.barrierIsDue) return;
    this.barrierIsDue = true;
    queueMicrotask(() => {
      this.barrierIsDue = false;
      if (!this.isOver) this.barrier();
    });
  }

  private barrier(): void {
    if (this.confirms === false) return;
    const number = this.observer.edits();
    this.awaited.push(number);
    this.send({ kind: "barrier", number });
  }

  private ask(): void {
    this.asked = true;
    this.send({ kind: "step1", stateVector: Y.encodeStateVector(this.doc) });
  }

  /** Asks a relay that has been silent for long, and gives up one that does not answer. */
  private look(): void {
    const silentMs = Date.now() - this.heardMs;
    if (silentMs >= DEAD_AFTER_MS) {
      this.end({ code: null, reason: "the relay has been silent for 45 s", trouble: "cut" });
      return;
    }
    if (silentMs >= ASK_AFTER_MS && !this.askedAlive) {
      this.askedAlive = true;
      this.ask();
    }
    const nextMs = (this.askedAlive ? DEAD_AFTER_MS : ASK_AFTER_MS) - silentMs;
    this.timers.after("look", nextMs, () => this.look());
  }

  private renewBefore(leftMs: number): void {
    this.credentials.isRenewing = false;
    const endsMs = Date.now() + leftMs;
    const renew = async (): Promise<void> => {
      const token = await this.credentials.fresh();
      if (this.isOver) return;
      if (token === null) {
        this.timers.after("renew", renewAfterMs(endsMs - Date.now()), () => void renew());
        return;
      }
      this.credentials.shown = token;
      this.credentials.isRenewing = true;
      this.transport.renew(token);
      this.send({ kind: "token", token });
    };
    this.timers.after("renew", renewAfterMs(leftMs), () => void renew());
  }

  private send(message: Exclude<Message, { kind: "unknown" }>): void {
    this.transport.send(encodeMessage(message));
  }

  private end(ended: Ended): void {
    this.transport.close(ended);
  }
}
