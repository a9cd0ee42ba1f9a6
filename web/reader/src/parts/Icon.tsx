/** The icons: strokes on a grid of 24, in the colour of the text. */
import type { ReactNode } from "react";

const PATHS = {
  back: "M15 5l-7 7 7 7",
  forward: "M9 5l7 7-7 7",
  down: "M6 9l6 6 6-6",
  close: "M6 6l12 12M18 6L6 18",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  menu: "M4 8h9M17 8h3M13 5.5v5M4 16h3M11 16h9M11 13.5v5",
  note: "M6 3.5h9l4 4v13H6zM15 3.5v4h4M9 12h7M9 16h5",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5",
  copy: "M9 9h10v11H9zM5 15V4h10",
  undo: "M8 5L4 9l4 4M4 9h10a6 6 0 010 12h-3",
  redo: "M16 5l4 4-4 4M20 9H10a6 6 0 000 12h3",
  search: "M10.5 4a6.5 6.5 0 110 13 6.5 6.5 0 010-13zM15.5 15.5L20 20",
  plus: "M12 5v14M5 12h14",
  sun: "M12 8a4 4 0 110 8 4 4 0 010-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 019.5 4 8.5 8.5 0 1020 14.5z",
  people: "M9 5a3.2 3.2 0 110 6.4A3.2 3.2 0 019 5zM3 20c0-3.5 2.6-6 6-6s6 2.5 6 6M16 5.4a3 3 0 010 5.8M17.5 14.4c2.2.8 3.5 2.9 3.5 5.6",
  bold: "M7.5 5H13a3.5 3.5 0 010 7H7.5zM7.5 12H14a3.5 3.5 0 010 7H7.5z",
  italic: "M10 5h7M7 19h7M14 5l-4 14",
  strike: "M5 12h14M16.5 7.5C16 5.8 14.3 5 12 5c-2.700 0-4.500 1.200-4.500 3.200M7.500 16c.500 2 2.200 3 4.500 3 2.700 0 4.700-1.200 4.700-3.400",
  heading: "M6 5v14M18 5v14M6 12h12",
  bullets: "M9 6.500h11M9 12h11M9 17.500h11M4.500 6.500h.01M4.500 12h.01M4.500 17.500h.01",
  numbers: "M10 6.500h10M10 12h10M10 17.500h10M4 5l1.500-1v5M4 14.500h2.500L4 18h2.500",
  quote: "M5 5v14M9 8h11M9 12h11M9 16h7",
  link: "M10 14a4 4 0 005.700 0l3-3A4 4 0 0013 5.300l-1 1M14 10a4 4 0 00-5.700 0l-3 3a4 4 0 005.700 5.700l1-1",
  speech: "M4 5h16v11H11l-5 4v-4H4z",
  check: "M5 12.500l4.500 4.500L19 7.500",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
