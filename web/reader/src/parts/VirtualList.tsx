/** A list of which only what is in sight is in the document: rows of one height, 10,000 as easily as ten. */
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ReactNode } from "react";

const BEYOND = 6; // rows above and below what is in sight

export interface VirtualListProps<Item> {
  items: readonly Item[];
  rowHeight: number;
  label: string;
  keyOf: (item: Item) => string;
  row: (item: Item) => ReactNode;
}

export function VirtualList<Item>({ items, rowHeight, label, keyOf, row }: VirtualListProps<Item>): ReactNode {
  const outer = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(0);
  useLayoutEffect(() => setHeight(outer.current?.clientHeight ?? 0), []);
  useEffect(() => {
    const observer = new ResizeObserver(() => setHeight(outer.current?.clientHeight ?? 0));
    if (outer.current) observer.observe(outer.current);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const last = Math.min(items.length, Math.ceil((top + height) / rowHeight) + BEYOND);
  return (
    <div
      ref={outer}
      className="virtual"
      tabIndex={-1}
      onScroll={(event) => {
        const at = event.currentTarget.scrollTop;
        if (Math.abs(at - top) >= rowHeight) setTop(at - (at % rowHeight));
      }}
    >
      <ul aria-label={label} style={{ blockSize: items.length * rowHeight }}>
        {items.slice(first, last).map((item, at) => (
          <li
            key={keyOf(item)}
            aria-setsize={items.length}
            aria-posinset={first + at + 1}
            style={{ blockSize: rowHeight, transform: `translateY(${(first + at) * rowHeight}px)` }}
          >
            {row(item)}
          </li>
        ))}
      </ul>
    </div>
  );
}
