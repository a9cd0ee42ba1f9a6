/** The others, as initials; pointed at or focused, each says where they read, and a click goes there. */
import { useContext } from "react";
import type { ReactNode } from "react";
import { chapterId } from "../bible/place";
import { goTo } from "../reading/route";
import type { Companion } from "../session/useCompany";
import { TextsContext, placeName } from "../texts";
import { initials } from "../parts/initials";

const MOST = 4;

export function Company({ company }: { company: readonly Companion[] }): ReactNode {
  const { texts, language } = useContext(TextsContext);
  if (!company.length) return null;
  return (
    <ul className="company" aria-label={texts.alsoHere(company.map(({ name }) => name))}>
      {company.slice(0, MOST).map(({ key, name, color, place }) => {
        const says = place ? texts.reads(name, placeName(chapterId(place), language)) : name;
        return (
          <li key={key}>
            <button type="button" className="avatar" title={says} aria-label={says} data-shown={initials(name)} style={{ "--person": color } as object} disabled={!place} onClick={() => place && goTo(place)} />
          </li>
        );
      })}
      {company.length > MOST && <li className="avatar more">+{company.length - MOST}</li>}
    </ul>
  );
}
