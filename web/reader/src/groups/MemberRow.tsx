/** A member: who it is and their role; to owners, another role and the way out. */
import { colorOf } from "crdt-sync";
import { useState } from "react";
import type { ReactNode } from "react";
import { Icon } from "../parts/Icon";
import { Question } from "../parts/Question";
import { initials } from "../parts/initials";
import { useTexts } from "../texts";
import type { Texts } from "../texts";
import type { Member, Role } from "./api";

const ROLES = ["owner", "editor", "reader"] as const;

export interface MemberRowProps {
  member: Member;
  isSelf: boolean;
  canChange: boolean;
  onRole: (role: Role) => Promise<void>;
  onRemove: () => Promise<void>;
}

export function MemberRow({ member, isSelf, canChange, onRole, onRemove }: MemberRowProps): ReactNode {
  const texts = useTexts();
  const { subject, role } = member;
  const name = member.name || subject;
  const [asked, setAsked] = useState<Role | "remove" | null>(null);
  const choose = (given: Role) => {
    if (questionOf(texts, given, name, isSelf) === null) void onRole(given);
    else setAsked(given);
  };
  const isAsked = asked !== null && asked !== "remove";
  return (
    <li className="member">
      <span className="avatar" aria-hidden="true" data-shown={initials(name)} style={{ "--person": colorOf(subject) } as object} />
      <span className="member-name">
        <span dir="auto">{name}</span>
        {isSelf && <small>{texts.you}</small>}
        {!isSelf && name !== subject && <small dir="auto">{subject}</small>}
      </span>
      {canChange ? (
        <select aria-label={texts.roleOf(name)} value={isAsked ? asked : role} onChange={(event) => choose(event.target.value as Role)}>
          {ROLES.map((each) => <option key={each} value={each}>{texts.roles[each]}</option>)}
        </select>
      ) : (
        <span className="hint">{texts.roles[role]}</span>
      )}
      {canChange && !isSelf && (
        <button type="button" className="icon-button" aria-label={texts.removeMember(name)} title={texts.removeMember(name)} onClick={() => setAsked("remove")}>
          <Icon name="close" />
        </button>
      )}
      {asked !== null && (
        <Question yes={asked === "remove" ? texts.removeMemberYes : texts.changeRole} onNo={() => setAsked(null)}
          text={asked === "remove" ? texts.removeMemberSure(name) : questionOf(texts, asked, name, isSelf)!}
          onYes={() => void (asked === "remove" ? onRemove() : onRole(asked)).then(() => setAsked(null))}
        />
      )}
    </li>
  );
}

/** What is to be thought over: an owner can remove any other, and who steps down cannot take it back. */
function questionOf(texts: Texts, role: Role, name: string, isSelf: boolean): string | null {
  if (isSelf && role !== "owner") return texts.stepDownSure;
  return !isSelf && role === "owner" ? texts.makeOwnerSure(name) : null;
}
