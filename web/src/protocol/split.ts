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
const NO_DELETES = 0;

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
  const { structs, ds } = Y.decodeUpdate(update);
  const queues = new Map<number, Struct[]>();
  for (const struct of structs) {
    if (struct instanceof Y.Skip) throw new RangeError("an update with holes cannot be cut");
    const queue = queues.get(struct.id.client);
    if (queue) queue.push(struct);
    else queues.set(struct.id.client, [struct]);
  }
  const pieces = new Pieces(maxBytes);
  if (!takeAll(queues, (struct) => pieces.add(struct)))
    throw new RangeError("an update whose structs wait for one another cannot be cut");
  return [...pieces.finish(), deletesAlone(ds)];
}

/** Takes all structs in an order that fits, and says whether there is one. What is not in the update is there already. */
function takeAll(queues: ReadonlyMap<number, readonly Struct[]>, take: (struct: Struct) => void): boolean {
  const taken = new Map([...queues.keys()].map((client) => [client, 0]));
  const waiting = new Map<number, number[]>(); // client → those that wait for more of it
  const ready = [...queues.keys()];
  const isMissing = ({ client, clock }: Y.ID): boolean => {
    const next = queues.get(client)?.[taken.get(client)!];
    return next !== undefined && clock >= next.id.clock;
  };
  for (let client = ready.pop(); client !== undefined; client = ready.pop()) {
    const queue = queues.get(client)!;
    const began = taken.get(client)!;
    for (let at = began; at < queue.length; at += 1) {
      const missing = needsOf(queue[at]!).find(isMissing);
      if (missing) {
        const others = waiting.get(missing.client);
        if (others) others.push(client);
        else waiting.set(missing.client, [client]);
        break;
      }
      take(queue[at]!);
      taken.set(client, at + 1);
    }
    if (taken.get(client) === began) continue; // nothing has come of it, so those that wait for it wait on
    ready.push(...(waiting.get(client) ?? []));
    waiting.delete(client);
  }
  return [...queues].every(([client, { length }]) => taken.get(client) === length);
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
    encoding.writeVarUint(out, NO_DELETES);
    this.done.push(encoding.toUint8Array(out));
    this.open = new Map();
    this.openBytes = 0;
  }
}

function deletesAlone(deletes: ReturnType<typeof Y.decodeUpdate>["ds"]): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeVarUint(out, 0); // no structs
  encoding.writeVarUint(out, deletes.clients.size);
  for (const [client, ranges] of [...deletes.clients].sort(([one], [other]) => other - one)) {
    encoding.writeVarUint(out, client);
    encoding.writeVarUint(out, ranges.length);
    for (const { clock, len } of ranges) for (const number of [clock, len]) encoding.writeVarUint(out, number);
  }
  return encoding.toUint8Array(out);
}
