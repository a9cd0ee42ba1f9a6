/** Asks whether to accept the invitation that the address had. */
import { useState } from "react";
import type { ReactNode } from "react";
import { Modal } from "../parts/Modal";
import { useToast } from "../parts/Toasts";
import { useTexts } from "../texts";
import { accept, invitationInAddress } from "./api";
import { useTrying } from "./refusals";

export function Invitation({ onGroup }: { onGroup: (room: string) => void }): ReactNode {
  const texts = useTexts();
  const toast = useToast();
  const [invitation, setInvitation] = useState(invitationInAddress);
  const { error, once } = useTrying();
  if (invitation === null) return null;
  const join = () =>
    void once(async () => {
      const { room, name } = await accept(invitation);
      setInvitation(null);
      onGroup(room);
      toast({ text: texts.joined(name ?? room) });
    });
  return (
    <Modal title={texts.groups} className="narrow" onClose={() => setInvitation(null)}>
      <p>{texts.inviteTo}</p>
      <p className="error" role="alert">{error}</p>
      <div className="modal-actions">
        <button type="button" className="button" onClick={() => setInvitation(null)}>{texts.cancel}</button>
        <button type="button" className="button primary" onClick={join}>{texts.accept}</button>
      </div>
    </Modal>
  );
}
