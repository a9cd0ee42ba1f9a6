/** This browser as a device: an id that it draws for itself, and what it is called. */

const KEY = "reader/device";

/** 16 hexadecimal digits at random, kept (docs/protocol.md, "Reading positions"). */
export function deviceId(): string {
  const kept = localStorage.getItem(KEY);
  if (kept && /^[0-9a-f]{16}$/.test(kept)) return kept;
  const made = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  localStorage.setItem(KEY, made);
  return made;
}

/** "Chrome, Linux": enough to tell one's own devices apart. */
export function deviceName(agent: string = navigator.userAgent): string {
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(agent)?.[0] ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0] ?? "";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", "Mac OS": "Mac" };
  return [names[browser] ?? browser, names[system] ?? system].filter(Boolean).join(", ");
}
