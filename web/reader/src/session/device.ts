/** What this browser is called among its person's devices: "Chrome, Linux" is enough to tell them apart. */
export function deviceName(agent: string = navigator.userAgent): string {
  const browser = /Firefox|Edg|OPR|Chrome|Safari/.exec(agent)?.[0] ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0] ?? "";
  const names: Record<string, string> = { Edg: "Edge", OPR: "Opera", "Mac OS": "Mac" };
  return [names[browser] ?? browser, names[system] ?? system].filter(Boolean).join(", ");
}
