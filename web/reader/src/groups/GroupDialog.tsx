/** One's libraries: one's own and those of groups; making a group, and looking into one. */
import { useEffect, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { Icon } from "../parts/Icon";
import { Modal } from "../parts/Modal";
import { useToast } from "../parts/Toasts";
import { useTexts } from "../texts";
import { GroupMembers } from "./GroupMembers";
import { createGroup, groups } from "./api";
import type { Room } from "./api";
import { useTrying } from "./refusals";

export interface GroupDialogProps {
  group: string | null;
  subject: string;
  /** Raised when the members of the open group may have changed. */
  asOf: number;
  onGroup: (room: string | null) => void;
  /** The members of the open group have changed. */
  onChanged: () => void;
  onClose: () => void;
}

export function GroupDialog({ group, subject, asOf, onGroup, onChanged, onClose }: GroupDialogProps): ReactNode {
  const texts = useTexts();
  const toast = useToast();
  const [rooms, setRooms] = useState<readonly Room[] | null>(null);
  const [shown, setShown] = useState<Room | null>(null);
  const [name, setName] = useState("");
  const { error, run, once } = useTrying();
  useEffect(() => {
    if (!shown) void run(async () => setRooms(await groups())); // again on the way back: roles may have changed
  }, [run, shown]);
  const choose = (room: string | null) => {
    onGroup(room);
    onClose();
  };
  const create = (event: FormEvent) => {
    event.preventDefault();
    void once(async () => choose((await createGroup(name.trim())).room));
  };
  if (shown)
    return (
      <Modal key={shown.room} title={shown.name ?? shown.room} className="narrow" onClose={onClose} onBack={() => setShown(null)}>
        <GroupMembers room={shown} subject={subject} asOf={shown.room === group ? asOf : 0} onChanged={() => shown.room === group && onChanged()}
          onLeft={() => {
            toast({ text: texts.left(shown.name ?? shown.room) });
            if (shown.room === group) choose(null);
            else setShown(null);
          }}
        />
      </Modal>
    );
  return (
    <Modal title={texts.groups} className="narrow" onClose={onClose}>
      <ul className="rooms">
        <li>
          <button type="button" className="row" aria-current={group === null || undefined} onClick={() => choose(null)}>{texts.ownLibrary}</button>
        </li>
        {rooms?.map((room) => (
          <li key={room.room}>
            <button type="button" className="row" aria-current={group === room.room || undefined} onClick={() => choose(room.room)}>
              <span dir="auto">{room.name ?? room.room}</span>
              <small>{texts.roles[room.role]}</small>
            </button>
            <button type="button" className="button" aria-label={texts.membersOf(room.name ?? room.room)} onClick={() => setShown(room)}>
              <Icon name="people" />
              {texts.members}
            </button>
          </li>
        ))}
        {rooms === null && !error && <li role="status">{texts.loading}</li>}
      </ul>
      <form className="setting" onSubmit={create}>
        <label htmlFor="group-name">{texts.newGroup}</label>
        <span className="with-button">
          <input id="group-name" value={name} maxLength={100} required dir="auto" placeholder={texts.groupName} onChange={(event) => setName(event.target.value)} />
          <button type="submit" className="button" disabled={!name.trim()}>{texts.create}</button>
        </span>
      </form>
      <p className="error" role="alert">{error}</p>
    </Modal>
  );
}
