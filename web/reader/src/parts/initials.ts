/** What stands in a person's circle: the first letters of the first and last of their names. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const [first = "?"] = [...(words[0] ?? "?")];
  const [last = ""] = words.length > 1 ? [...words.at(-1)!] : [];
  return (first + last).toUpperCase();
}
