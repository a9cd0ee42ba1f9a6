/** Who reads, which library, and in which language: then the reader. */
import { CrdtSync } from "crdt-sync/react";
import { useCallback, useEffect, useMemo, useState } from "react";
import type { ReactNode } from "react";
import { Reader } from "./Reader";
import { SignIn } from "./parts/SignIn";
import { Toasts } from "./parts/Toasts";
import { boot, forget, token } from "./session/account";
import type { Account, Boot } from "./session/account";
import { RELAY } from "./session/relay";
import { SettingsContext, applySettings, loadSettings, saveSettings } from "./session/settings";
import type { Settings } from "./session/settings";
import { keepReader } from "./session/trusted";
import { LANGUAGES, TextsContext } from "./texts";

/** The library of an account: its own room, a group's, or in open mode whichever was chosen. */
export const ownRoom = ({ subject }: Account, settings: Settings): string =>
  subject === null ? settings.room : `u/${subject.replaceAll("%", "%25").replaceAll("/", "%2F")}`;

export function App(): ReactNode {
  const [settings, setSettings] = useState(loadSettings);
  const [state, setState] = useState<Boot>({ state: "asking" });
  const [group, setGroup] = useState<string | null>(null);
  const [takeOver, setTakeOver] = useState<(() => void) | null>(null);
  const texts = LANGUAGES[settings.language];

  const start = useCallback(() => void boot().then(setState), []);
  useEffect(start, [start]);
  useEffect(() => {
    keepReader((take) => setTakeOver(() => take)).catch((error: unknown) => console.warn("the reader is not kept offline", error));
  }, []);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => applySettings(settings, dark.matches);
    apply();
    dark.addEventListener("change", apply);
    return () => dark.removeEventListener("change", apply);
  }, [settings]);
  const change = useCallback((changed: Partial<Settings>) => {
    setSettings((before) => {
      const after = { ...before, ...changed };
      saveSettings(after);
      return after;
    });
  }, []);
  const settingsValue = useMemo(() => ({ settings, change }), [settings, change]);
  const textsValue = useMemo(() => ({ language: settings.language, texts }), [settings.language, texts]);

  return (
    <SettingsContext value={settingsValue}>
      <TextsContext value={textsValue}>
        <Toasts>
          {state.state === "asking" && <p className="splash" role="status">{texts.loading}</p>}
          {state.state === "unreachable" && (
            <main className="splash">
              <p>{state.reason || texts.unreachable}</p>
              <button type="button" className="button" onClick={start}>
                {texts.tryAgain}
              </button>
            </main>
          )}
          {state.state === "sign in" && (
            <main className="splash">
              <SignIn refused={state.refused} onDone={(account) => setState({ state: "in", account })} />
            </main>
          )}
          {state.state === "in" && (
            <In key={`${state.account.subject}`} account={state.account} settings={settings} group={group} onGroup={setGroup}
              onAccount={(account) => setState({ state: "in", account })}
              onSignedOut={() => {
                forget();
                setGroup(null);
                setState({ state: "sign in", refused: false });
              }}
            />
          )}
          {takeOver && (
            <div className="update" role="status">
              <span>{texts.newVersion}</span>
              <button type="button" className="button" onClick={takeOver}>
                {texts.reload}
              </button>
            </div>
          )}
        </Toasts>
      </TextsContext>
    </SettingsContext>
  );
}

interface InProps {
  account: Account;
  settings: Settings;
  group: string | null;
  onGroup: (room: string | null) => void;
  onAccount: (account: Account) => void;
  onSignedOut: () => void;
}

function In({ account, settings, group, onGroup, onAccount, onSignedOut }: InProps): ReactNode {
  const room = group ?? ownRoom(account, settings);
  const roomOf = useCallback(() => room, [room]);
  const author = account.name ?? (settings.name || "reader");
  return (
    <CrdtSync relay={RELAY} userId={account.subject ?? "everybody"} roomOf={roomOf} author={account.subject ?? author} token={token}>
      <Reader key={room} account={account} group={group} onGroup={onGroup} onAccount={onAccount} onSignedOut={onSignedOut} />
    </CrdtSync>
  );
}
