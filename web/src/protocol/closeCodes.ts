/** Every close code of the relay, and whether to connect again. `docs/protocol.md` lists them. */

export const CloseCode = {
  GOING_AWAY: 1001,
  POLICY: 1008,
  INTERNAL_ERROR: 1011,
  RESTARTING: 1012,
  OVERLOADED: 1013,
  NOT_THE_PROTOCOL: 4400,
  UNAUTHENTICATED: 4401,
  FORBIDDEN: 4403,
  DELETED: 4404,
  TOO_BIG: 4413,
  TRY_AGAIN: 4500,
  TOKEN_EXPIRED: 4501,
} as const;

export type Retry = "back off" | "new token" | "never";

/** Close codes that the relay does not send: something on the way ended the connection. */
export const NO_REASON: ReadonlySet<number> = new Set([1000, 1002, 1005, 1006, 1015]);

/** Returns what a client does after a close code; an unknown one goes by its range. */
export function retryAfter(code: number | null): Retry {
  if (code === null) return "back off";
  if (code === CloseCode.UNAUTHENTICATED || code === CloseCode.TOKEN_EXPIRED) return "new token";
  if ((code >= 4400 && code <= 4499) || code === 1003 || code === 1007 || code === 1009) return "never";
  return "back off";
}
