/** A modal dialog: the browser keeps the focus in it, closes it on Escape, and gives the focus back. */
import { useId, useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";
import { useTexts } from "../texts";
import { Icon } from "./Icon";

export interface ModalProps {
  title: string;
  className?: string;
  /** Leads to what this was opened from. */
  onBack?: () => void;
  onClose: () => void;
  children: ReactNode;
}

export function Modal({ title, className, onBack, onClose, children }: ModalProps): ReactNode {
  const texts = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useLayoutEffect(() => {
    const { current } = dialog;
    if (current && !current.open) current.showModal();
    return () => current?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={`modal ${className ?? ""}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div className="modal-inside">
        <header className="modal-head">
          {onBack && (
            <button type="button" className="icon-button" onClick={onBack} aria-label={texts.back}>
              <Icon name="back" />
            </button>
          )}
          <h2 id={heading} dir="auto">{title}</h2>
          <button type="button" className="icon-button" onClick={onClose} aria-label={texts.close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
