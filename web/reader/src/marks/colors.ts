/** The colours that a person can choose; what a library from elsewhere has beside them is shown as near as can be. */
export const COLORS = ["yellow", "green", "blue", "pink", "orange", "purple"] as const;

const KNOWN = new Set<string>(COLORS);
const ALIKE: Record<string, string> = { red: "pink", olive: "green", cyan: "blue", gray: "grey", violet: "purple", magenta: "pink" };

/** Returns the name under which the style sheet knows a colour. */
export function shownColor(color: string): string {
  const name = color.toLowerCase();
  if (KNOWN.has(name)) return name;
  if (ALIKE[name]) return ALIKE[name];
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/.exec(name);
  return hex ? nearest(hex.slice(1, 4).map((part) => parseInt(part, 16))) : "grey";
}

const HUES: readonly (readonly [string, number])[] = [
  ["pink", 345], ["orange", 28], ["yellow", 52], ["green", 120], ["blue", 215], ["purple", 275],
]; // prettier-ignore

function nearest([red = 0, green = 0, blue = 0]: number[]): string {
  const most = Math.max(red, green, blue);
  const spread = most - Math.min(red, green, blue);
  if (spread < 24) return "grey";
  const sector = most === red ? ((green - blue) / spread + 6) % 6 : most === green ? (blue - red) / spread + 2 : (red - green) / spread + 4;
  const hue = sector * 60;
  const distance = (to: number) => Math.min(Math.abs(hue - to), 360 - Math.abs(hue - to));
  return HUES.reduce((best, each) => (distance(each[1]) < distance(best[1]) ? each : best))[0];
}
