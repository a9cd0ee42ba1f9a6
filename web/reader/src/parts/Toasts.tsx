/** A word on what has just happened, with a way back. It stays while it is pointed at or has the focus. */
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useTexts } from "../texts";
import { Icon } from "./Icon";

export interface Toast {
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const SHOWN_MS = 8000;
const Context = createContext<(toast: Toast) => void>(() => undefined);
export const useToast = () => useContext(Context);

export function Toasts({ children }: { children: ReactNode }): ReactNode {
  const texts = useTexts();
  const [toast, setToast] = useState<Toast | null>(null);
  const [held, setHeld] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const show = useCallback((shown: Toast) => setToast({ ...shown }), []);
  useEffect(() => {
    if (!toast || held) return;
    timer.current = setTimeout(() => setToast(null), SHOWN_MS);
    return () => clearTimeout(timer.current);
  }, [toast, held]);
  const hold = useMemo(() => ({ on: () => setHeld(true), off: () => setHeld(false) }), []);
  return (
    <Context.Provider value={show}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toast && (
          <div className="toast" onPointerEnter={hold.on} onPointerLeave={hold.off} onFocus={hold.on} onBlur={hold.off}>
            <span>{toast.text}</span>
            {toast.action && (
              <button
                type="button"
                onClick={() => {
                  toast.action!.run();
                  setToast(null);
                }}
              >
                {toast.action.label}
              </button>
            )}
            <button type="button" className="icon-button" aria-label={texts.close} onClick={() => setToast(null)}>
              <Icon name="close" />
            </button>
          </div>
        )}
      </div>
    </Context.Provider>
  );
}
