/** Asks before something that cannot be taken back, where it was asked for. Escape says no. */
import { useEffect, useId, useRef } from "react";
import type { ReactNode } from "react";
import { useTexts } from "../texts";

export interface QuestionProps {
  text: string;
  yes: string;
  isBusy?: boolean;
  onYes: () => void;
  onNo: () => void;
}

export function Question({ text, yes, isBusy = false, onYes, onNo }: QuestionProps): ReactNode {
  const texts = useTexts();
  const says = useId();
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    no.current?.focus();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <div className="question" role="group" aria-labelledby={says}
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
        <button type="button" className="button danger" disabled={isBusy} onClick={onYes}>{yes}</button>
      </div>
    </div>
  );
}
