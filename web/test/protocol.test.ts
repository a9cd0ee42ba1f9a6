// @vitest-environment node
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Backoff } from "../src/protocol/backoff";
import { NO_REASON, retryAfter } from "../src/protocol/closeCodes";
import { decodeFrame, encodeMessage, ProtocolError } from "../src/protocol/messages";
import type { Message } from "../src/protocol/messages";
import { decodeAnswer, encodePoll, PollKind, PollStream, StreamError } from "../src/protocol/pollStream";
import { Chooser } from "../src/transport/chooser";
import { colorOf, personOf, textColorOn } from "../src/library/person";

const bytes = fc.uint8Array({ maxLength: 300 });
const number = fc.maxSafeNat();
const text = fc.string({ unit: "grapheme" });
const message: fc.Arbitrary<Exclude<Message, { kind: "unknown" }>> = fc.oneof(
  fc.record({ kind: fc.constant("step1" as const), stateVector: bytes }),
  fc.record({ kind: fc.constantFrom("step2" as const, "update" as const), update: bytes }),
  fc.record({ kind: fc.constant("awareness" as const), update: bytes }),
  fc.record({ kind: fc.constant("denied" as const), reason: text }),
  fc.record({ kind: fc.constant("query" as const) }),
  fc.record({ kind: fc.constant("barrier" as const), number }),
  fc.record({ kind: fc.constant("token" as const), token: text }),
  fc.record({ kind: fc.constant("holds" as const), seconds: number }),
);

describe("messages", () => {
  test("what was encoded is decoded, and several in a frame too", () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1 }), (messages) => {
        const frame = Buffer.concat(messages.map((each) => encodeMessage(each)));
        expect(decodeFrame(new Uint8Array(frame))).toEqual(messages);
      }),
    );
  });

  test("any bytes are messages or a ProtocolError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (frame) => {
        try {
          expect(decodeFrame(frame).length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a frame that is cut is never taken for a shorter message", () => {
    fc.assert(
      fc.property(message, fc.nat(), (whole, at) => {
        const frame = encodeMessage(whole);
        fc.pre(frame.length > 1);
        expect(() => decodeFrame(frame.subarray(0, 1 + (at % (frame.length - 1))))).toThrow(ProtocolError);
      }),
    );
  });
});

describe("poll stream", () => {
  test("the example of docs/protocol.md", () => {
    const session = Uint8Array.from({ length: 16 }, (_, at) => at);
    const stream = new PollStream();
    const hex = (body: Uint8Array) => Buffer.from(body).toString("hex");
    expect(hex(encodePoll(PollKind.OPEN, session, 0, 2 ** 20, stream.piece(0)))).toBe(`0100${hex(session)}008080400000`);
    stream.send(encodeMessage({ kind: "barrier", number: 7 }));
    expect(hex(encodePoll(PollKind.POLL, session, 0, 2 ** 20, stream.piece(100)))).toBe(`0101${hex(session)}00808040000003660107`);
    expect(decodeAnswer(Uint8Array.of(1, 0, 4, 0))).toEqual({ received: 4, first: 0, data: new Uint8Array(0), ending: null });
  });

  test("frames arrive once and in order, however the pieces are cut, lost, repeated and late", () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 20 });
    const fate = fc.record({ most: fc.integer({ min: 1, max: 500 }), send: fc.nat(3), what: fc.constantFrom("pass", "lose", "keep", "old") });
    fc.assert(
      fc.property(frames, fc.array(fate, { maxLength: 60 }), (sent, fates) => {
        const [one, two] = [new PollStream(), new PollStream()];
        const taken: Uint8Array[] = [];
        const late: ReturnType<PollStream["piece"]>[] = [];
        const left = [...sent];
        const give = (piece: ReturnType<PollStream["piece"]>) => taken.push(...two.take(piece));
        for (const { most, send, what } of [...fates, ...Array.from({ length: 60 }, () => ({ most: 500, send: 3, what: "pass" }))]) {
          for (const frame of left.splice(0, send)) one.send(frame);
          const piece = one.piece(most);
          if (what === "pass") give(piece);
          else if (what === "keep") late.push(piece);
          else if (what === "old" && late.length) give(late.shift()!);
          one.take(two.piece(0)); // the acknowledgement, which may be of anything before
        }
        expect(taken).toEqual(sent);
        expect(one.unacknowledged).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("any answer is a piece or a ProtocolError, and what it brings too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (body) => {
        try {
          new PollStream().take(decodeAnswer(Uint8Array.of(1, 0, ...body)));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["an empty frame", [0], 4400],
    ["a frame above the bound", [0x81, 0x80, 0x80, 0x20], 4413],
    ["a length that is none", [255, 255, 255, 255, 255, 255, 255, 255], 4400],
  ])("%s ends the session", (_name, data, code) => {
    const piece = { received: 0, first: 0, data: Uint8Array.from(data) };
    expect(() => new PollStream().take(piece)).toThrow(expect.objectContaining({ code }));
    expect(() => new PollStream().take(piece)).toThrow(StreamError);
  });
});

test("back-off stays below 1, 2, 4, 8, then 16 s, and starts again", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { minLength: 8, maxLength: 8 }), (draws) => {
      const drawn = draws.values();
      const backoff = new Backoff(() => drawn.next().value!);
      for (const [at, ceiling] of [1, 2, 4, 8, 16, 16, 16].entries()) expect(backoff.next()).toBe(draws[at]! * ceiling * 1000);
      backoff.reset();
      expect(backoff.next()).toBe(draws[7]! * 1000);
    }),
  );
});

describe("chooser", () => {
  const relays = fc.constantFrom(1001, 1008, 1011, 1012, 1013, 4400, 4401, 4403, 4404, 4413, 4500, 4501);
  const network = fc.record({
    code: fc.constantFrom(null, ...NO_REASON),
    reason: fc.constant(""),
    trouble: fc.constantFrom("unreachable" as const, "intercepted" as const, "cut" as const, "silent" as const),
  });

  test("what the relay itself says never makes us poll", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(relays, fc.option(fc.nat(100_000)))), (ends) => {
        const chooser = new Chooser();
        for (const [code, lasted] of ends) expect(chooser.ended({ code, reason: "r" }, lasted)).toBe(false);
        expect(chooser.way).toBe("websocket");
      }),
    );
  });

  test("a WebSocket that stands for 30 s is never left for a cut; the third early one running is", () => {
    const chooser = new Chooser();
    const cut = { code: 1006, reason: "", trouble: "cut" as const };
    expect([1000, 1000, 30_000, 1000, 1000].map((lasted) => chooser.ended(cut, lasted))).toEqual([false, false, false, false, false]);
    expect(chooser.ended(cut, 1000)).toBe(true);
    expect(chooser.way).toBe("polling");
    chooser.websocketWorks();
    expect(chooser.ended(cut, 1000)).toBe(true);
  });

  test("polling that reaches nobody goes back to the WebSocket, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(network, fc.option(fc.nat(100_000)))), (ends) => {
        const chooser = new Chooser();
        for (const [ended, lasted] of ends) chooser.ended(ended, lasted);
        chooser.way = "polling";
        expect(chooser.ended({ code: null, reason: "", trouble: "unreachable" }, null)).toBe(false);
        expect(chooser.way).toBe("websocket");
      }),
    );
  });
});

test("an unknown close code goes by its range", () => {
  fc.assert(fc.property(fc.integer({ min: 4414, max: 4499 }), (code) => retryAfter(code) === "never"));
  fc.assert(fc.property(fc.integer({ min: 4502, max: 4999 }), (code) => retryAfter(code) === "back off"));
  expect(retryAfter(null)).toBe("back off");
});

describe("person", () => {
  test("any state is a person or nobody, and what is shown of one is harmless", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ user: fc.jsonValue() })), (state) => {
        const person = personOf(state);
        if (!person) return;
        expect(person.color).toMatch(/^#[0-9a-f]{6}$/);
        expect([...person.name].length).toBeLessThanOrEqual(100);
        expect(person.avatar === null || /^(https:|data:image\/)/.test(person.avatar)).toBe(true);
      }),
    );
  });

  test.each(["javascript:alert(1)", "http://a/b.png", "data:image/svg+xml;base64,AAAA", "data:text/html;base64,AA", "https://u:p@a/b"])(
    "%s is no avatar",
    (avatar) => expect(personOf({ user: { avatar } })!.avatar).toBeNull(),
  );

  test("a colour that is drawn from a name can be written on in white", () => {
    fc.assert(fc.property(text, (name) => textColorOn(colorOf(name)) === "#ffffff"));
  });
});
