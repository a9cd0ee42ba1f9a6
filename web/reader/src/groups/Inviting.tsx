/** An owner's invitations: a link for one person and one role, and those that can still be accepted. */
import { useContext, useEffect, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { TextsContext } from "../texts";
import { invitations, invite, revoke } from "./api";
import type { OpenInvitation, Role } from "./api";
import { useTrying } from "./refusals";

const ROLES = ["editor", "reader"] as const; // a link that is passed on must take no group over

export function Inviting({ room }: { room: string }): ReactNode {
  const { texts, language } = useContext(TextsContext);
  const [role, setRole] = useState<Role>("editor");
  const [link, setLink] = useState("");
  const [isCopied, setCopied] = useState(false);
  const [open, setOpen] = useState<readonly OpenInvitation[]>([]);
  const { error, run, once } = useTrying();
  useEffect(() => void run(async () => setOpen(await invitations(room))), [run, room]);
  const make = (event: FormEvent) => {
    event.preventDefault();
    void once(async () => {
      setLink(await invite(room, role));
      setCopied(false);
      setOpen(await invitations(room));
    });
  };
  const end = (id: string) =>
    void once(async () => {
      await revoke(room, id);
      setLink("");
      setOpen(await invitations(room));
    });
  const copy = () => void navigator.clipboard.writeText(link).then(() => setCopied(true), () => undefined); // it stays selectable
  return (
    <section className="inviting" aria-label={texts.invite}>
      <form onSubmit={make}>
        <fieldset className="segmented" aria-describedby="invited-may">
          <legend>{texts.inviteAs}</legend>
          {ROLES.map((each) => (
            <label key={each}>
              <input type="radio" name="invite-role" checked={role === each} onChange={() => setRole(each)} />
              <span>{texts.roles[each]}</span>
            </label>
          ))}
        </fieldset>
        <p id="invited-may" className="hint">{texts.roleMay[role]}</p>
        <button type="submit" className="button primary">{texts.makeLink}</button>
      </form>
      {link && (
        <div className="setting" role="status">
          <label htmlFor="invitation">{texts.inviteMade}</label>
          <span className="with-button">
            <input id="invitation" readOnly value={link} onFocus={(event) => event.target.select()} />
            <button type="button" className="button" onClick={copy}>{isCopied ? texts.copied : texts.copyLink}</button>
          </span>
        </div>
      )}
      {open.length > 0 && (
        <ul className="invitations" aria-label={texts.openInvitations}>
          {open.map((each) => {
            const until = new Date(each.expires_ms).toLocaleDateString(language, { dateStyle: "medium" });
            return (
              <li key={each.id}>
                <span>{texts.openInvitation(texts.roles[each.role], until)}</span>
                <button type="button" className="link-button" aria-label={texts.revokeInvitation(texts.roles[each.role], until)} onClick={() => end(each.id)}>{texts.revoke}</button>
              </li>
            );
          })}
        </ul>
      )}
      <p className="error" role="alert">{error}</p>
    </section>
  );
}
