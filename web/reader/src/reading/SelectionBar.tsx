/** The small toolbar over a selection: colours, a note, copying, and what stands there already. */
import type { Highlight } from "crdt-sync";
import { useEffect, useRef } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { COLORS } from "../marks/colors";
import { Icon } from "../parts/Icon";
import { useTexts } from "../texts";
import type { Chosen } from "./selection";

export interface SelectionBarProps {
  chosen: Chosen;
  /** The highlights that the selection touches. */
  touched: readonly Highlight[];
  canEdit: boolean;
  onColor: (color: string) => void;
  onNote: () => void;
  onCopy: () => void;
  onOpen: (id: string) => void;
  onClose: () => void;
}

export function SelectionBar({ chosen, touched, canEdit, onColor, onNote, onCopy, onOpen, onClose }: SelectionBarProps): ReactNode {
  const texts = useTexts();
  const bar = useRef<HTMLDivElement>(null);
  const isByKeyboard = chosen.verses !== null;
  useEffect(() => {
    if (isByKeyboard) bar.current?.querySelector("button")?.focus({ preventScroll: true });
  }, [isByKeyboard]);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const buttons = [...bar.current!.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[(at + step + buttons.length) % buttons.length]?.focus();
  };
  const { rect } = chosen;
  const above = rect.top > 120;
  const x = Math.min(Math.max(rect.left + rect.width / 2, 180), innerWidth - 180);
  const y = above ? rect.top - 10 : Math.min(rect.bottom + 10, innerHeight - 70);
  return (
    <div ref={bar} className="selection-bar" data-above={above || undefined} role="toolbar" aria-label={texts.selection} onKeyDown={onKey}
      onPointerDown={(event) => event.preventDefault()} /* the selection stays */
      style={{ "--x": `${x}px`, "--y": `${y}px` } as object}
    >
      {canEdit &&
        COLORS.map((color) => (
          <button key={color} type="button" className="swatch" data-color={color} title={texts.colors[color]}
            aria-label={texts.highlightIn(texts.colors[color]!)} onClick={() => onColor(color)} />
        ))}
      {canEdit && (
        <button type="button" className="bar-button" onClick={onNote}>
          <Icon name="note" />
          {texts.addNote}
        </button>
      )}
      <button type="button" className="icon-button" aria-label={texts.copy} title={texts.copy} onClick={onCopy}>
        <Icon name="copy" />
      </button>
      {touched.map((highlight) => (
        <button key={highlight.id} type="button" className="bar-button open-mark" onClick={() => onOpen(highlight.id)}
          aria-label={texts.openHighlight((highlight.anchor.quote?.exact ?? "").slice(0, 60))}>
          <span className="dot" data-color={highlight.color} />
        </button>
      ))}
    </div>
  );
}
