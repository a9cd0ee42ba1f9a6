/** The relay that served this page, and its HTTP API (docs/sharing.md). */

/** Where the page came from; a path before it stays, for a proxy that takes it away. */
export const RELAY = new URL(".", location.href).href.replace(/\/$/, "");

/** The relay said no, in words for a person and a code for programs; status 0: it was not reached. */
export class RelayRefused extends Error {
  override name = "RelayRefused";
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Makes one request. Throws `RelayRefused`. */
export async function ask<Answer>(token: string | null, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, cache: "no-store", credentials: "omit" };
  if (body !== undefined) init.body = JSON.stringify(body);
  let answer: Response;
  try {
    answer = await fetch(`${RELAY}/api/v1${path}`, init);
  } catch (error) {
    throw new RelayRefused(0, "unreachable", String(error));
  }
  const text = await answer.text();
  let value: unknown;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    throw new RelayRefused(0, "no-relay", `what answers here is no relay (HTTP ${answer.status})`);
  }
  if (answer.ok) return value as Answer;
  const problem = (value ?? {}) as { code?: unknown; detail?: unknown };
  throw new RelayRefused(answer.status, String(problem.code ?? ""), String(problem.detail ?? `HTTP ${answer.status}`));
}
