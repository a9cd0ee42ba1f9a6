/** The highlights that the filters let through, in the order of the text. */
import type { Highlight } from "crdt-sync";
import { useHighlights } from "crdt-sync/react";
import { useDeferredValue, useMemo } from "react";
import type { ReactNode, RefObject } from "react";
import type { Chapter } from "../bible/place";
import { chapterId, placeOf } from "../bible/place";
import { COLORS, shownColor } from "../marks/colors";
import { orderOf } from "../marks/useMarks";
import { VirtualList } from "../parts/VirtualList";
import { usePlaceName, useTexts } from "../texts";

export type Scope = "chapter" | "book" | "everywhere";

export interface Filters {
  readonly text: string;
  readonly color: string;
  readonly tag: string;
  readonly scope: Scope;
}

export const NO_FILTERS: Filters = { text: "", color: "", tag: "", scope: "everywhere" };
const ROW_HEIGHT = 84;

export interface HighlightListProps {
  here: Chapter;
  filters: Filters;
  onFilters: (filters: Filters) => void;
  tags: readonly string[];
  activeId: string | null;
  search: RefObject<HTMLInputElement | null>;
  onOpen: (highlight: Highlight) => void;
}

export function HighlightList({ here, filters, onFilters, tags, activeId, search, onOpen }: HighlightListProps): ReactNode {
  const texts = useTexts();
  const placeName = usePlaceName();
  const asked = useDeferredValue(filters); // typing stays smooth while 10,000 are gone through
  const words = asked.text.trim();
  const found = useHighlights({ ...(words ? { text: words } : {}), ...(asked.tag ? { tag: asked.tag } : {}) });
  const shown = useMemo(() => {
    const chapter = placeOf(chapterId(here));
    const [low, high] =
      asked.scope === "chapter" ? [chapter, chapter + 1e4] : asked.scope === "book" ? [Math.floor(chapter / 1e8) * 1e8, (Math.floor(chapter / 1e8) + 1) * 1e8] : [0, Infinity];
    return found
      .filter((each) => {
        const order = orderOf(each);
        return low <= order && order < high && (!asked.color || shownColor(each.color) === asked.color);
      })
      .sort((one, other) => orderOf(one) - orderOf(other));
  }, [found, asked.scope, asked.color, here]);
  const isFiltered = words !== "" || asked.tag !== "" || asked.color !== "";
  return (
    <>
      <div className="filters">
        <input ref={search} type="search" value={filters.text} placeholder={texts.searchHighlights} aria-label={texts.searchHighlights} dir="auto"
          onChange={(event) => onFilters({ ...filters, text: event.target.value })} />
        <div className="filter-row">
          <select aria-label={texts.scope} value={filters.scope} onChange={(event) => onFilters({ ...filters, scope: event.target.value as Scope })}>
            <option value="chapter">{texts.inChapter}</option>
            <option value="book">{texts.inBook}</option>
            <option value="everywhere">{texts.everywhere}</option>
          </select>
          <select aria-label={texts.tags} value={filters.tag} onChange={(event) => onFilters({ ...filters, tag: event.target.value })}>
            <option value="">{texts.anyTag}</option>
            {tags.map((tag) => <option key={tag}>{tag}</option>)}
          </select>
        </div>
        <div className="color-filter" role="group" aria-label={texts.color}>
          {COLORS.map((color) => (
            <button key={color} type="button" className="swatch small" data-color={color} aria-pressed={filters.color === color} aria-label={texts.colors[color]}
              title={texts.colors[color]} onClick={() => onFilters({ ...filters, color: filters.color === color ? "" : color })} />
          ))}
          <span className="count" role="status">{texts.shown(shown.length)}</span>
        </div>
      </div>
      {shown.length ? (
        <VirtualList items={shown} rowHeight={ROW_HEIGHT} label={texts.highlights} keyOf={keyOf}
          row={(highlight) => (
            <button type="button" className="row" aria-current={highlight.id === activeId || undefined} onClick={() => onOpen(highlight)}>
              <span className="row-bar" data-color={shownColor(highlight.color)} />
              <span className="row-head">
                <strong>{placeName(highlight.anchor.source)}</strong>
                {highlight.tags.slice(0, 3).map((tag) => <span key={tag} className="tag" dir="auto">{tag}</span>)}
              </span>
              <span className="row-quote" dir="auto" lang="en">{highlight.anchor.quote?.exact ?? ""}</span>
              {highlight.comment && <span className="row-comment" dir="auto">{highlight.comment}</span>}
            </button>
          )}
        />
      ) : (
        <p className="empty">{isFiltered || asked.scope !== "everywhere" ? texts.nothingFound : texts.nothingHere}</p>
      )}
    </>
  );
}

const keyOf = ({ id }: Highlight): string => id;
