/** The dialogs that the header and the keys open, and what an address brings. */
import { useSession } from "crdt-sync/react";
import type { ReactNode } from "react";
import type { Chapter } from "./bible/place";
import { GroupDialog } from "./groups/GroupDialog";
import { Invitation } from "./groups/Invitation";
import type { useMembership } from "./groups/useMembership";
import { Modal } from "./parts/Modal";
import { SettingsDialog } from "./parts/SettingsDialog";
import { SignIn } from "./parts/SignIn";
import { BookChooser } from "./reading/BookChooser";
import type { Account } from "./session/account";
import { useTexts } from "./texts";
import type { Dialog } from "./top/TopBar";

export interface DialogsProps {
  dialog: Dialog | null;
  account: Account;
  group: string | null;
  here: Chapter;
  pending: number;
  membership: ReturnType<typeof useMembership>;
  onGo: (to: Chapter) => void;
  onGroup: (room: string | null) => void;
  onAccount: (account: Account) => void;
  onSignedOut: () => void;
  onClose: () => void;
}

export function Dialogs({ dialog, account, group, here, pending, membership, onGo, onGroup, onAccount, onSignedOut, onClose }: DialogsProps): ReactNode {
  const texts = useTexts();
  const { session } = useSession();
  const { subject } = account;
  return (
    <>
      {dialog === "books" && (
        <BookChooser here={here} onClose={onClose}
          onGo={(to) => {
            onClose();
            onGo(to);
          }}
        />
      )}
      {dialog === "settings" && <SettingsDialog account={account} pending={pending} onSignedOut={onSignedOut} onClose={onClose} />}
      {dialog === "groups" && subject !== null && <GroupDialog group={group} subject={subject} asOf={membership.asOf} onGroup={onGroup} onChanged={membership.changed} onClose={onClose} />}
      {subject !== null && <Invitation onGroup={onGroup} />}
      {dialog === "sign in" && (
        <Modal title={texts.signIn} className="narrow" onClose={onClose}>
          <SignIn onDone={(signedIn) => {
            onClose();
            onAccount(signedIn);
            session?.provider.reconnect();
          }} />
        </Modal>
      )}
    </>
  );
}
