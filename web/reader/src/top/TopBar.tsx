/** The header: where one reads and in which library, who else is here, how it stands with the relay, and what opens. */
import { SyncStatus } from "crdt-sync/react";
import { useContext, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import { Icon } from "../parts/Icon";
import { useSettings } from "../session/settings";
import type { Companion } from "../session/useCompany";
import { TextsContext } from "../texts";
import { Company } from "./Company";

export type Dialog = "books" | "settings" | "groups" | "sign in";

export interface TopBarProps {
  heading: string;
  company: readonly Companion[];
  /** Whether somebody is signed in, and so may have groups. */
  hasGroups: boolean;
  /** What the open group is called; null in one's own library. */
  groupName: string | null;
  canUndo: boolean;
  canRedo: boolean;
  isPanelOpen: boolean;
  onUndo: () => void;
  onRedo: () => void;
  onPanel: () => void;
  onDialog: (dialog: Dialog) => void;
}

export function TopBar({ heading, company, hasGroups, groupName, canUndo, canRedo, isPanelOpen, onUndo, onRedo, onPanel, onDialog }: TopBarProps): ReactNode {
  const { texts } = useContext(TextsContext);
  const groups = groupName === null ? texts.groups : `${texts.groups}: ${groupName}`;
  return (
    <header className="top">
      <div className="top-start">
        <button type="button" className="place" aria-haspopup="dialog" onClick={() => onDialog("books")}>
          <span>{heading}</span>
          <Icon name="down" />
        </button>
        {hasGroups && (
          <button type="button" className={groupName === null ? "icon-button" : "group-button"} aria-label={groups} title={groups} aria-haspopup="dialog" onClick={() => onDialog("groups")}>
            <Icon name="people" />
            {groupName !== null && <span dir="auto">{groupName}</span>}
          </button>
        )}
      </div>
      <div className="top-end">
        <Company company={company} />
        <SyncStatus className="sync" texts={texts.status} onSignIn={() => onDialog("sign in")} />
        <button type="button" className="icon-button wide-only" aria-label={texts.undo} title={texts.undo} disabled={!canUndo} onClick={onUndo}>
          <Icon name="undo" />
        </button>
        <button type="button" className="icon-button wide-only" aria-label={texts.redo} title={texts.redo} disabled={!canRedo} onClick={onRedo}>
          <Icon name="redo" />
        </button>
        <ThemeButton />
        <button type="button" className="icon-button" aria-label={texts.menu} title={texts.menu} aria-haspopup="dialog" onClick={() => onDialog("settings")}>
          <Icon name="menu" />
        </button>
        <button type="button" className="icon-button" aria-label={texts.panel} title={texts.panel} aria-expanded={isPanelOpen} onClick={onPanel}>
          <Icon name="list" />
        </button>
      </div>
    </header>
  );
}

const SCHEME = matchMedia("(prefers-color-scheme: dark)");

function subscribeToScheme(listener: () => void): () => void {
  SCHEME.addEventListener("change", listener);
  return () => SCHEME.removeEventListener("change", listener);
}

function ThemeButton(): ReactNode {
  const { texts } = useContext(TextsContext);
  const { settings, change } = useSettings();
  const prefersDark = useSyncExternalStore(subscribeToScheme, () => SCHEME.matches);
  const isDark = settings.theme === "dark" || (settings.theme === "auto" && prefersDark);
  const label = isDark ? texts.themeLight : texts.themeDark;
  return (
    <button type="button" className="icon-button wide-only" aria-label={`${texts.theme}: ${label}`} title={label} onClick={() => change({ theme: isDark ? "light" : "dark" })}>
      <Icon name={isDark ? "sun" : "moon"} />
    </button>
  );
}
