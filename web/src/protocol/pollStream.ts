/**
 * HTTP polling: two numbered streams of bytes, carried by requests that may be slow, repeated, reordered or cut.
 *
 * Each direction is one stream: frames, each after its length. What an end has it drops, what leaves a hole it does not
 * take, and what was not acknowledged is sent again. So every frame arrives once and in order, or the session ends.
 * `docs/protocol.md`, "Polling", specifies it.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { CloseCode } from "./closeCodes.js";
import { ProtocolError } from "./messages.js";

export const SESSION_BYTES = 16;
export const MAX_PIECE_BYTES = 1024 * 1024;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const VERSION = 1;

export const PollKind = { OPEN: 0, POLL: 1, GOODBYE: 2 } as const;
export type PollKind = (typeof PollKind)[keyof typeof PollKind];

/** Some bytes of a stream; `first` is the number of the first, `received` acknowledges the other direction. */
export interface Piece {
  received: number;
  first: number;
  data: Uint8Array;
}

/** An answer; `ending` follows the last byte of the relay's stream. */
export interface PollAnswer extends Piece {
  ending: { code: number; reason: string } | null;
}

/** A frame above the bound, or an empty one: the session cannot go on. */
export class StreamError extends ProtocolError {
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

export function encodePoll(kind: PollKind, session: Uint8Array, waitMs: number, most: number, piece: Piece): Uint8Array {
  const out = encoding.createEncoder();
  encoding.writeUint8(out, VERSION);
  encoding.writeUint8(out, kind);
  encoding.writeUint8Array(out, session);
  for (const number of [waitMs, most, piece.received, piece.first]) encoding.writeVarUint(out, number);
  encoding.writeUint8Array(out, piece.data);
  return encoding.toUint8Array(out);
}

/** @throws {ProtocolError} if the body is no answer. */
export function decodeAnswer(body: Uint8Array): PollAnswer {
  try {
    const reader = decoding.createDecoder(body);
    if (decoding.readUint8(reader) !== VERSION) throw new ProtocolError("another version of polling");
    const ends = decoding.readUint8(reader);
    if (ends > 1) throw new ProtocolError("an answer ends the session or does not");
    const ending = ends ? { code: decoding.readVarUint(reader), reason: decoding.readVarString(reader) } : null;
    const received = decoding.readVarUint(reader);
    const first = decoding.readVarUint(reader);
    const data = decoding.readTailAsUint8Array(reader);
    if (data.length > MAX_PIECE_BYTES) throw new ProtocolError("a piece above its bound");
    return { received, first, data, ending };
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError(`the answer to a poll is none: ${String(error)}`);
  }
}

/** The client's end of a session. */
export class PollStream {
  private kept: Uint8Array[] = [];
  private start = 0; // the number of the first byte that is kept
  private end = 0;
  private acknowledged = 0;
  private partial = new Uint8Array(0);
  /** How many bytes of the relay's stream are here, without a hole. */
  received = 0;

  /** How many bytes the relay has not acknowledged. */
  get unacknowledged(): number {
    return this.end - this.acknowledged;
  }

  /** Puts a frame at the end of the stream. */
  send(frame: Uint8Array): void {
    const framed = encoding.encode((out) => encoding.writeVarUint8Array(out, frame));
    this.kept.push(framed);
    this.end += framed.length;
  }

  /**
   * Takes what the relay acknowledges and sends; returns the frames that are whole now.
   *
   * @throws {ProtocolError} if the session cannot go on.
   */
  take(piece: Piece): Uint8Array[] {
    if (piece.received > this.end) throw new ProtocolError("more is acknowledged than was sent");
    this.acknowledge(piece.received);
    const known = this.received - piece.first;
    if (known < 0 || known >= piece.data.length) return [];
    this.partial = joined([this.partial, piece.data.subarray(known)]);
    this.received = piece.first + piece.data.length;
    return this.wholeFrames();
  }

  /** Returns what to send now: from the first byte that is not acknowledged, `most` bytes at most. */
  piece(most: number): Piece {
    const parts: Uint8Array[] = [];
    let skip = this.acknowledged - this.start;
    let left = Math.min(most, MAX_PIECE_BYTES);
    for (const each of this.kept) {
      if (left <= 0) break;
      const part = each.subarray(skip, skip + left);
      parts.push(part);
      left -= part.length;
      skip = 0;
    }
    return { received: this.received, first: this.acknowledged, data: joined(parts) };
  }

  /** Says whether a piece of this end's stream reaches to its end. */
  endsWith(piece: Piece): boolean {
    return piece.first + piece.data.length === this.end;
  }

  private acknowledge(received: number): void {
    while (this.kept.length && this.start + this.kept[0]!.length <= received) this.start += this.kept.shift()!.length;
    this.acknowledged = Math.max(this.acknowledged, received); // a late answer acknowledges less
  }

  private wholeFrames(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const length = lengthAt(this.partial, at);
      if (length === null) break;
      const [bytes, from] = length;
      if (bytes === 0) throw new StreamError("an empty frame", CloseCode.NOT_THE_PROTOCOL);
      if (bytes > MAX_FRAME_BYTES) throw new StreamError("a frame above its bound", CloseCode.TOO_BIG);
      if (from + bytes > this.partial.length) break;
      frames.push(this.partial.slice(from, from + bytes));
      at = from + bytes;
    }
    this.partial = this.partial.slice(at);
    return frames;
  }
}

/** Returns a frame's length and where it begins, or null if the length has not come whole. */
function lengthAt(bytes: Uint8Array, at: number): [number, number] | null {
  const head = bytes.subarray(at, at + 8);
  if (!head.some((octet) => octet < 0x80)) {
    if (head.length < 8) return null;
    throw new StreamError("a length that is none", CloseCode.NOT_THE_PROTOCOL);
  }
  const reader = decoding.createDecoder(head);
  return [decoding.readVarUint(reader), at + reader.pos];
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
