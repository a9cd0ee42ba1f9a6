/** Asks before something that cannot be taken back, where it was asked for. Escape says no. */
import { useLayoutEffect, useId, useRef } from "react";
import type { ReactNode } from "react";
import { useTexts } from "../texts";

export interface QuestionProps {
  text: string;
  yes: string;
  onYes: () => void;
  onNo: () => void;
}

export function Question({ text, yes, onYes, onNo }: QuestionProps): ReactNode {
  const texts = useTexts();
  const says = useId();
  const asks = useRef<HTMLDivElement>(null);
  const no = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    const { current } = asks;
    no.current?.focus();
    return () => {
      if (current?.contains(document.activeElement) && before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <div ref={asks} className="question" role="group" aria-labelledby={says}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        onNo();
      }}
    >
      <p id={says}>{text}</p>
      <div className="modal-actions">
        <button ref={no} type="button" className="button" onClick={onNo}>{texts.cancel}</button>
        <button type="button" className="button danger" onClick={onYes}>{yes}</button>
      </div>
    </div>
  );
}
