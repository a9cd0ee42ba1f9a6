/** A modal dialog: the browser keeps the focus in it, closes it on Escape, and gives the focus back. */
import { useId, useLayoutEffect, useRef } from "react";
import type { ReactNode } from "react";
import { useTexts } from "../texts";
import { Icon } from "./Icon";

export function Modal({ title, className, onClose, children }: { title: string; className?: string; onClose: () => void; children: ReactNode }): ReactNode {
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
          <h2 id={heading}>{title}</h2>
          <button type="button" className="icon-button" onClick={onClose} aria-label={texts.close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
