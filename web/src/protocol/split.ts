/**
 * Cuts a large update into several that are small enough to send, each of which fits when those before it are in.
 *
 * A library larger than the relay's message limit still syncs, as with the Python engine (`crdt_sync/protocol/split.py`):
 * the pieces go out as updates, the delete set last. `docs/protocol.md`, "A large library".
 */
import * as encoding from "lib0/encoding";
import * as Y from "yjs";
import type { Message } from "./messages.js";

/** What one update of a large library has at most, far below what a relay takes. */
export const MAX_UPDATE_BYTES = 8 * 1024 * 1024;
/** The most that a client's count, id and clock take in a piece, and the piece's own counts. */
const HEADER_BYTES = 24;

/** An update that adds nothing. */
const NOTHING = new Uint8Array(2);

type Struct = Y.Item | Y.GC;

/** Returns what answers a step 1: a step 2, or the pieces of a large one and a step 2 that adds nothing. */
export function answerOf(update: Uint8Array): (Message & { kind: "step2" | "update" })[] {
  const pieces = splitUpdate(update);
  if (pieces.length === 1) return [{ kind: "step2", update }];
  return [...pieces.map((piece) => ({ kind: "update" as const, update: piece })), { kind: "step2", update: NOTHING }];
}

/**
 * Returns updates of at most `maxBytes` each that together are `update`; one struct alone may be larger. `update` is a
 * diff that fits its receiver.
 *
 * @throws {RangeError} if it has holes, or its structs wait for one another.
 */
export function splitUpdate(update: Uint8Array, maxBytes: number = MAX_UPDATE_BYTES): Uint8Array[] {
  if (update.length <= maxBytes) return [update];
  const queues = new Map<number, Struct[]>();
  const ends = new Map<number, number>();
  for (const struct of Y.decodeUpdate(update).structs) {
    if (struct instanceof Y.Skip) throw new RangeError("an update with holes cannot be cut");
    const { client, clock } = struct.id;
    const queue = queues.get(client);
    if (queue) queue.push(struct);
    else queues.set(client, [struct]);
    ends.set(client, clock + struct.length);
  }
  const pieces = new Pieces(maxBytes);
  takeAll(queues, (struct) => pieces.add(struct));
  return [...pieces.finish(), Y.diffUpdate(update, Y.encodeStateVector(ends))]; // without structs: its deletes
}

/** Takes all structs in an order that fits. What is not in the update is there already. */
function takeAll(queues: ReadonlyMap<number, readonly Struct[]>, take: (struct: Struct) => void): void {
  const taken = new Map<number, number>();
  const waiting = new Map<number, number[]>(); // client → those that wait for more of it
  const next = (client: number): Struct | undefined => queues.get(client)?.[taken.get(client) ?? 0];
  const isMissing = ({ client, clock }: Y.ID): boolean => clock >= (next(client)?.id.clock ?? Infinity);
  const ready = [...queues.keys()];
  for (let client = ready.pop(); client !== undefined; client = ready.pop()) {
    const began = next(client);
    for (let struct = began; struct; struct = next(client)) {
      const missing = needsOf(struct).find(isMissing);
      if (missing) {
        waiting.set(missing.client, [...(waiting.get(missing.client) ?? []), client]);
        break;
      }
      take(struct);
      taken.set(client, (taken.get(client) ?? 0) + 1);
    }
    if (next(client) === began) continue; // nothing has come of it, so those that wait for it wait on
    ready.push(...(waiting.get(client) ?? []));
    waiting.delete(client);
  }
  if ([...queues.keys()].some(next)) throw new RangeError("an update whose structs wait for one another cannot be cut");
}

function needsOf(struct: Struct): Y.ID[] {
  if (struct instanceof Y.GC) return [];
  const { origin, rightOrigin, parent } = struct;
  return [origin, rightOrigin, parent instanceof Y.ID ? parent : null].filter((id) => id !== null);
}

/** Packs structs into pieces in the order in which they are taken. */
class Pieces {
  private readonly done: Uint8Array[] = [];
  private open = new Map<number, { clock: number; structs: Uint8Array[] }>();
  private openBytes = 0;

  constructor(private readonly maxBytes: number) {}

  add(struct: Struct): void {
    const { client, clock } = struct.id;
    const encoder = new Y.UpdateEncoderV1();
    struct.write(encoder, 0);
    const bytes = encoding.toUint8Array(encoder.restEncoder);
    if (this.open.size && this.openBytes + bytes.length + HEADER_BYTES > this.maxBytes) this.close();
    const known = this.open.get(client);
    if (known) known.structs.push(bytes);
    else this.open.set(client, { clock, structs: [bytes] });
    this.openBytes += bytes.length + (known ? 0 : HEADER_BYTES);
  }

  finish(): Uint8Array[] {
    if (this.open.size) this.close();
    return this.done;
  }

  private close(): void {
    const out = encoding.createEncoder();
    encoding.writeVarUint(out, this.open.size);
    for (const [client, { clock, structs }] of this.open) {
      for (const number of [structs.length, client, clock]) encoding.writeVarUint(out, number);
      for (const struct of structs) encoding.writeUint8Array(out, struct);
    }
    encoding.writeVarUint(out, 0); // no deletes
    this.done.push(encoding.toUint8Array(out));
    this.open = new Map();
    this.openBytes = 0;
  }
}
