/** One's libraries: one's own and those of groups; making a group, and inviting to it. */
import { useCallback, useEffect, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { Modal } from "../parts/Modal";
import { RelayRefused } from "../session/relay";
import { useTexts } from "../texts";
import { createGroup, groups, invite } from "./api";
import type { Room } from "./api";

export function GroupDialog({ group, onGroup, onClose }: { group: string | null; onGroup: (room: string | null) => void; onClose: () => void }): ReactNode {
  const texts = useTexts();
  const [rooms, setRooms] = useState<readonly Room[] | null>(null);
  const [name, setName] = useState("");
  const [link, setLink] = useState("");
  const [error, setError] = useState("");
  const trying = useCallback(async (act: () => Promise<void>) => {
    setError("");
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof RelayRefused)) throw failure;
      setError(failure.message);
    }
  }, []);
  useEffect(() => void trying(async () => setRooms(await groups())), [trying]);
  const create = (event: FormEvent) => {
    event.preventDefault();
    void trying(async () => {
      const { room } = await createGroup(name.trim());
      onGroup(room);
      onClose();
    });
  };
  const choose = (room: string | null) => {
    onGroup(room);
    onClose();
  };
  return (
    <Modal title={texts.groups} className="narrow" onClose={onClose}>
      <ul className="rooms">
        <li>
          <button type="button" className="row" aria-current={group === null || undefined} onClick={() => choose(null)}>{texts.ownLibrary}</button>
        </li>
        {rooms?.map((room) => (
          <li key={room.room}>
            <button type="button" className="row" dir="auto" aria-current={group === room.room || undefined} onClick={() => choose(room.room)}>{room.name ?? room.room}</button>
            {room.role === "owner" && (
              <button type="button" className="button" onClick={() => void trying(async () => setLink(await invite(room.room)))}>{texts.invite}</button>
            )}
          </li>
        ))}
        {rooms === null && !error && <li role="status">{texts.loading}</li>}
      </ul>
      {link && (
        <div className="setting" role="status">
          <label htmlFor="invitation">{texts.inviteMade}</label>
          <span className="with-button">
            <input id="invitation" readOnly value={link} onFocus={(event) => event.target.select()} />
            <button type="button" className="button" onClick={() => void navigator.clipboard.writeText(link)}>{texts.copyLink}</button>
          </span>
        </div>
      )}
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
