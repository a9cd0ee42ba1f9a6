/**
 * The messages of the protocol: those of y-protocols, and three of ours. `docs/protocol.md` specifies them.
 *
 * One frame carries one message when we send, and any number when we read.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

export type Message =
  | { kind: "step1"; stateVector: Uint8Array }
  | { kind: "step2"; update: Uint8Array }
  | { kind: "update"; update: Uint8Array }
  | { kind: "awareness"; update: Uint8Array }
  | { kind: "denied"; reason: string }
  | { kind: "query" }
  | { kind: "barrier"; number: number }
  | { kind: "token"; token: string }
  | { kind: "holds"; seconds: number }
  | { kind: "unknown"; type: number };

const SYNC = 0;
const AWARENESS = 1;
const AUTH = 2;
const QUERY = 3;
const BARRIER = 102;
const TOKEN = 103;
const HOLDS = 104;
const SYNC_KINDS = ["step1", "step2", "update"] as const;

/** The peer does not speak the protocol. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** Returns the bytes of one message. */
export function encodeMessage(message: Exclude<Message, { kind: "unknown" }>): Uint8Array {
  const out = encoding.createEncoder();
  switch (message.kind) {
    case "step1":
    case "step2":
    case "update":
      encoding.writeVarUint(out, SYNC);
      encoding.writeVarUint(out, SYNC_KINDS.indexOf(message.kind));
      encoding.writeVarUint8Array(out, message.kind === "step1" ? message.stateVector : message.update);
      break;
    case "awareness":
      encoding.writeVarUint(out, AWARENESS);
      encoding.writeVarUint8Array(out, message.update);
      break;
    case "denied":
      encoding.writeVarUint(out, AUTH);
      encoding.writeVarUint(out, 0);
      encoding.writeVarString(out, message.reason);
      break;
    case "query":
      encoding.writeVarUint(out, QUERY);
      break;
    case "barrier":
      encoding.writeVarUint(out, BARRIER);
      encoding.writeVarUint8Array(out, encoding.encode((inner) => encoding.writeVarUint(inner, message.number)));
      break;
    case "token":
      encoding.writeVarUint(out, TOKEN);
      encoding.writeVarString(out, message.token);
      break;
    case "holds":
      encoding.writeVarUint(out, HOLDS);
      encoding.writeVarUint(out, message.seconds);
      break;
  }
  return encoding.toUint8Array(out);
}

/**
 * Returns the messages of a frame. An unknown one ends it, as its length cannot be known.
 *
 * @throws {ProtocolError} if the frame is malformed.
 */
export function decodeFrame(frame: Uint8Array): Message[] {
  const reader = decoding.createDecoder(frame);
  const messages: Message[] = [];
  try {
    do messages.push(decodeMessage(reader));
    while (decoding.hasContent(reader) && messages[messages.length - 1]!.kind !== "unknown");
  } catch (error) {
    throw new ProtocolError(`a malformed message: ${error instanceof Error ? error.message : String(error)}`);
  }
  return messages;
}

function decodeMessage(reader: decoding.Decoder): Message {
  const type = decoding.readVarUint(reader);
  switch (type) {
    case SYNC: {
      const kind = SYNC_KINDS[decoding.readVarUint(reader)];
      const bytes = readBytes(reader);
      if (kind === undefined) throw new ProtocolError("no such step of a sync");
      return kind === "step1" ? { kind, stateVector: bytes } : { kind, update: bytes };
    }
    case AWARENESS:
      return { kind: "awareness", update: readBytes(reader) };
    case AUTH:
      if (decoding.readVarUint(reader) !== 0) throw new ProtocolError("no such answer of an authority");
      return { kind: "denied", reason: readString(reader) };
    case QUERY:
      return { kind: "query" };
    case BARRIER: {
      const inner = decoding.createDecoder(readBytes(reader));
      const number = decoding.readVarUint(inner);
      if (decoding.hasContent(inner)) throw new ProtocolError("a barrier holds one number");
      return { kind: "barrier", number };
    }
    case TOKEN:
      return { kind: "token", token: readString(reader) };
    case HOLDS:
      return { kind: "holds", seconds: decoding.readVarUint(reader) };
    default:
      return { kind: "unknown", type };
  }
}

/** lib0 makes a view of what is asked for, even beyond the end of what is there. */
function readBytes(reader: decoding.Decoder): Uint8Array {
  const length = decoding.readVarUint(reader);
  if (length > reader.arr.length - reader.pos) throw new ProtocolError("a length beyond the end");
  return decoding.readUint8Array(reader, length);
}

function readString(reader: decoding.Decoder): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(readBytes(reader));
}
