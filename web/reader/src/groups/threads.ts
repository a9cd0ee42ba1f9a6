/** The threads of a group, from the document that the relay alone writes (docs/protocol.md, "The threads of a group"). */
import type * as Y from "yjs";

export interface Post {
  readonly id: string;
  readonly by: string | null;
  readonly name: string | null;
  readonly at: number;
  readonly number: number;
  /** Null once it is gone. */
  readonly text: string | null;
  /** Hidden: not to be shown. Deleted by who wrote it, removed by an owner: gone for good. */
  readonly state: "there" | "hidden" | "deleted" | "removed";
  readonly reactions: ReadonlyMap<string, readonly string[]>;
}

export interface Thread {
  readonly id: string;
  readonly isResolved: boolean;
  readonly posts: readonly Post[];
}

/** Reads the threads on a highlight, in the order in which they were opened. */
export function threadsOn(doc: Y.Doc, highlight: string): Thread[] {
  const [threads, posts, fields, people, reactions] = ["threads", "posts", "fields", "people", "reactions"].map((root) => doc.getMap<unknown>(root)) as Y.Map<unknown>[];
  const reacted = new Map<string, Map<string, string[]>>();
  for (const [key, value] of reactions!) {
    const [post, person] = key.split("/");
    const by = record(people!.get(person ?? ""))?.by;
    const given = record(value)?.reactions;
    if (!Array.isArray(given)) continue;
    const of = reacted.get(post!) ?? new Map<string, string[]>();
    reacted.set(post!, of);
    for (const each of given) if (typeof each === "string") of.set(each, [...(of.get(each) ?? []), String(by ?? "")]);
  }
  const found: (Thread & { number: number })[] = [];
  for (const [id, value] of threads!) {
    const thread = record(value);
    if (thread?.highlight !== highlight) continue;
    const of: Post[] = [];
    for (const [postId, postValue] of posts!) {
      const post = record(postValue);
      if (post?.thread !== id) continue;
      const text = fields!.get(`${postId}/text`);
      of.push({
        id: postId,
        by: textOf(post.by),
        name: textOf(post.name),
        at: Number(post.at) || 0,
        number: Number(post.number) || 0,
        text: typeof text === "string" ? text : null,
        state: typeof text !== "string" ? (fields!.has(`${postId}/removed`) ? "removed" : "deleted") : fields!.has(`${postId}/hidden`) ? "hidden" : "there",
        reactions: reacted.get(postId) ?? new Map(),
      });
    }
    of.sort((one, other) => one.number - other.number);
    found.push({ id, isResolved: fields!.has(`${id}/resolved`), posts: of, number: Number(thread.number) || 0 });
  }
  return found.sort((one, other) => one.number - other.number);
}

const record = (value: unknown): Record<string, unknown> | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
