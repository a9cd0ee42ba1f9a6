/** What a person can choose, and the account. */
import { useSession } from "crdt-sync/react";
import { useId, useState } from "react";
import type { ReactNode } from "react";
import type { Account } from "../session/account";
import { MAX_SIZE, useSettings } from "../session/settings";
import { LANGUAGES, useTexts } from "../texts";
import type { Language } from "../texts";
import { Modal } from "./Modal";

export interface SettingsDialogProps {
  account: Account;
  pending: number;
  onSignedOut: () => void;
  onClose: () => void;
}

export function SettingsDialog({ account, pending, onSignedOut, onClose }: SettingsDialogProps): ReactNode {
  const texts = useTexts();
  const id = useId();
  const { settings, change } = useSettings();
  const { session } = useSession();
  const [room, setRoom] = useState(settings.room);
  const [leaving, setLeaving] = useState(false);
  const themes = [["auto", texts.themeAuto], ["light", texts.themeLight], ["dark", texts.themeDark]] as const;
  const signOut = async () => {
    await session?.wipe();
    onSignedOut();
  };
  return (
    <Modal title={texts.menu} className="narrow" onClose={onClose}>
      <fieldset className="segmented">
        <legend>{texts.theme}</legend>
        {themes.map(([theme, name]) => (
          <label key={theme}>
            <input type="radio" name={`${id}-theme`} checked={settings.theme === theme} onChange={() => change({ theme })} />
            <span>{name}</span>
          </label>
        ))}
      </fieldset>
      <div className="setting" role="group" aria-label={texts.textSize}>
        <span>{texts.textSize}</span>
        <span className="sizes">
          <button type="button" className="button" aria-label={texts.smaller} disabled={settings.size === 0} onClick={() => change({ size: settings.size - 1 })}>A−</button>
          <button type="button" className="button" aria-label={texts.larger} disabled={settings.size === MAX_SIZE} onClick={() => change({ size: settings.size + 1 })}>A+</button>
        </span>
      </div>
      <div className="setting">
        <label htmlFor={`${id}-language`}>{texts.language_}</label>
        <select id={`${id}-language`} value={settings.language} onChange={(event) => change({ language: event.target.value as Language })}>
          {Object.entries(LANGUAGES).map(([code, each]) => <option key={code} value={code} lang={code}>{each.language}</option>)}
        </select>
      </div>
      {account.subject === null ? (
        <>
          <div className="setting">
            <label htmlFor={`${id}-name`}>{texts.yourName}</label>
            <input id={`${id}-name`} value={settings.name} maxLength={100} dir="auto" autoComplete="nickname" onChange={(event) => change({ name: event.target.value })} />
          </div>
          <form className="setting"
            onSubmit={(event) => {
              event.preventDefault();
              if (room.trim()) change({ room: room.trim() });
            }}
          >
            <label htmlFor={`${id}-room`}>{texts.library}</label>
            <span className="with-button">
              <input id={`${id}-room`} value={room} maxLength={200} required spellCheck={false} aria-describedby={`${id}-hint`} onChange={(event) => setRoom(event.target.value)} />
              <button type="submit" className="button" disabled={!room.trim() || room.trim() === settings.room}>{texts.openLibrary}</button>
            </span>
            <small id={`${id}-hint`}>{texts.libraryHint}</small>
          </form>
        </>
      ) : (
        <div className="setting">
          <span dir="auto">{texts.signedInAs(account.name || account.subject)}</span>
          {leaving ? (
            <div role="alert">
              <p>{texts.signOutHint}</p>
              {pending > 0 && <p className="error">{texts.signOutPending(pending)}</p>}
              <div className="modal-actions">
                <button type="button" className="button" onClick={() => setLeaving(false)}>{texts.cancel}</button>
                <button type="button" className="button danger" onClick={() => void signOut()}>{texts.signOut}</button>
              </div>
            </div>
          ) : (
            <button type="button" className="button" onClick={() => setLeaving(true)}>{texts.signOut}</button>
          )}
        </div>
      )}
      <details className="keys">
        <summary>{texts.shortcuts}</summary>
        <dl>
          {texts.keys.map(([key, does]) => (
            <div key={key}>
              <dt><kbd>{key}</kbd></dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
      </details>
    </Modal>
  );
}
