/** Who is in a group. Owners give roles, remove and invite; everybody may leave. */
import { useCallback, useEffect, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Question } from "../parts/Question";
import { useTexts } from "../texts";
import { Inviting } from "./Inviting";
import { MemberRow } from "./MemberRow";
import { members as membersOf, removeMember, setRole } from "./api";
import type { Member, Role, Room } from "./api";
import { useTrying } from "./refusals";

export interface GroupMembersProps {
  room: Room;
  subject: string;
  asOf: number;
  onChanged: () => void;
  onLeft: () => void;
}

export function GroupMembers({ room: { room, role }, subject, asOf, onChanged, onLeft }: GroupMembersProps): ReactNode {
  const texts = useTexts();
  const [members, setMembers] = useState<readonly Member[] | null>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const [leaving, setLeaving] = useState(false);
  const { error, run, once } = useTrying();
  const load = useCallback(() => run(async () => setMembers(await membersOf(room))), [run, room]);
  useEffect(() => void load(), [load]);
  const again = useCallback(() => membersOf(room).then(setMembers, () => undefined), [room]); // what is shown stays if it fails
  const shownAsOf = useRef(asOf);
  useEffect(() => {
    if (asOf !== shownAsOf.current) void again();
    shownAsOf.current = asOf;
  }, [again, asOf]);
  const own = members?.find((each) => each.subject === subject)?.role ?? role;
  /** Who was faster may have changed or removed them: then the list is asked for again, and says so. */
  const change = async (act: () => Promise<unknown>) => {
    const isDone = await run(async () => {
      await act();
      setMembers(await membersOf(room));
    });
    if (isDone) onChanged();
    else void again();
  };
  const leave = () =>
    void once(async () => {
      await removeMember(room, subject);
      onLeft();
    });
  return (
    <>
      <section className="members" aria-labelledby="members">
        <h3 id="members" ref={heading} tabIndex={-1}>{members ? texts.memberCount(members.length) : texts.members}</h3>
        <ul>
          {members?.map((member) => (
            <MemberRow key={member.subject} member={member} isSelf={member.subject === subject} canChange={own === "owner"}
              onRole={(given: Role) => change(() => setRole(room, member.subject, given))}
              onRemove={() => {
                heading.current?.focus(); // the row goes, and must not take the focus along
                return change(() => removeMember(room, member.subject));
              }}
            />
          ))}
          {members === null && !error && <li role="status">{texts.loading}</li>}
        </ul>
        <p className="error" role="alert">{!leaving && error}</p>
      </section>
      {own === "owner" && <Inviting room={room} />}
      <div className="leave">
        <button type="button" className="button danger" onClick={() => setLeaving(true)}>{texts.leave}</button>
        {leaving && <Question text={texts.leaveSure} yes={texts.leaveYes} onYes={leave} onNo={() => setLeaving(false)} />}
        <p className="error" role="alert">{leaving && error}</p>
      </div>
    </>
  );
}
