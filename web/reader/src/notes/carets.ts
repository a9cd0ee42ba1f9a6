/**
 * The carets of others in a note, from presence that comes from strangers: a state that y-tiptap could not read is left
 * out, and names and colours are those that `personOf` lets through.
 */
import type { Present } from "crdt-sync/react";
import type { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

export class Carets {
  readonly clientID: number;
  readonly doc: Y.Doc;

  constructor(
    private readonly awareness: Awareness,
    private readonly personOf: (state: unknown) => Present["person"],
  ) {
    this.clientID = awareness.clientID;
    this.doc = awareness.doc;
  }

  get states(): Map<number, unknown> {
    return this.getStates();
  }

  getStates(): Map<number, unknown> {
    const states = new Map<number, unknown>();
    for (const [client, state] of this.awareness.getStates()) {
      const person = this.personOf(state);
      const cursor = cursorOf((state as { cursor?: unknown }).cursor);
      if (person && cursor) states.set(client, { user: { name: person.name || "?", color: person.color }, cursor });
    }
    return states;
  }

  getLocalState(): unknown {
    return this.awareness.getLocalState();
  }

  setLocalStateField(name: string, value: unknown): void {
    this.awareness.setLocalStateField(name, value);
  }

  on(name: "change" | "update", listener: () => void): void {
    this.awareness.on(name, listener);
  }

  off(name: "change" | "update", listener: () => void): void {
    this.awareness.off(name, listener);
  }
}

function cursorOf(value: unknown): { anchor: unknown; head: unknown } | null {
  if (typeof value !== "object" || value === null) return null;
  const { anchor, head } = value as Record<string, unknown>;
  return isPosition(anchor) && isPosition(head) ? { anchor, head } : null;
}

function isPosition(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { type, item, tname, assoc } = value as Record<string, unknown>;
  return isId(type) && isId(item) && (tname === undefined || tname === null || typeof tname === "string") && (assoc === undefined || typeof assoc === "number");
}

function isId(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const { client, clock } = value as Record<string, unknown>;
  return Number.isSafeInteger(client) && Number.isSafeInteger(clock);
}

/** The caret of somebody else: a line in their colour and their name, put together from text alone. */
export function caret({ name, color }: { name: string; color: string }): HTMLElement {
  const line = document.createElement("span");
  line.className = "caret";
  line.style.setProperty("--person", color);
  const label = document.createElement("span");
  label.className = "caret-name";
  label.textContent = name;
  line.append("\u2060", label, "\u2060");
  return line;
}
