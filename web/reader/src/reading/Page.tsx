/** What is read: the chapter with its heading, what is to be said above it, and the way to the next. */
import type { Highlight } from "crdt-sync";
import { useContext } from "react";
import type { ReactNode } from "react";
import { BOOK_OF } from "../bible/books";
import { chapterId, nextChapter, previousChapter } from "../bible/place";
import type { Chapter as Place } from "../bible/place";
import type { BookText } from "../bible/text";
import { Icon } from "../parts/Icon";
import type { Companion } from "../session/useCompany";
import type { Offer } from "../session/useOffer";
import { TextsContext, bookName, placeName } from "../texts";
import { Chapter } from "./Chapter";
import type { Chosen } from "./selection";

export interface PageProps {
  /** Null while it is not loaded; `failed` once it could not be. */
  book: BookText | null;
  failed: boolean;
  retry: () => void;
  here: Place;
  verse: number | null;
  heading: string;
  company: readonly Companion[];
  offer: Offer | null;
  dismiss: () => void;
  /** Notices above the text. */
  notices: ReactNode;
  highlights: readonly Highlight[];
  annotated: ReadonlySet<string>;
  activeId: string | null;
  canEdit: boolean;
  onGo: (to: Place) => void;
  onColor: (chosen: Chosen, color: string) => void;
  onNote: (chosen: Chosen) => void;
  onCopy: (chosen: Chosen) => void;
  onOpen: (ids: readonly string[], rect: DOMRect) => void;
}

export function Page(props: PageProps): ReactNode {
  const { book, failed, retry, here, verse, heading, company, offer, dismiss, notices, highlights, annotated, activeId, canEdit, onGo } = props;
  const { texts, language } = useContext(TextsContext);
  return (
    <main className="page">
      {offer && (
        <div className="offer" role="status">
          <span dir="auto">{texts.jumpOffer(offer.name || texts.anotherDevice, placeName(chapterId(offer.place), language))}</span>
          <button type="button" className="button primary" onClick={() => {
            dismiss();
            onGo(offer.place);
          }}>
            {texts.jump}
          </button>
          <button type="button" className="button" onClick={dismiss}>{texts.dismiss}</button>
        </div>
      )}
      {notices}
      <h1 className="title">
        <span>{bookName(BOOK_OF.get(here.book)!, language)}</span> <b>{here.chapter}</b>
      </h1>
      <ReadHere company={company} here={here} />
      {failed && (
        <div className="empty">
          <p>{texts.notLoaded}</p>
          <button type="button" className="button" onClick={retry}>{texts.tryAgain}</button>
        </div>
      )}
      {!book && !failed && <p className="empty" role="status">{texts.loading}</p>}
      {book && (
        <Chapter key={chapterId(here)} book={book} chapter={here.chapter} target={verse} heading={heading} highlights={highlights} annotated={annotated}
          activeId={activeId} canEdit={canEdit} onColor={props.onColor} onCopy={props.onCopy} onNote={props.onNote} onOpen={props.onOpen} />
      )}
      <nav className="turn" aria-label={texts.books}>
        <Turn to={previousChapter(here)} label={texts.previous} icon="back" onGo={onGo} />
        <Turn to={nextChapter(here)} label={texts.next} icon="forward" onGo={onGo} />
      </nav>
    </main>
  );
}

function Turn({ to, label, icon, onGo }: { to: Place | null; label: string; icon: "back" | "forward"; onGo: (to: Place) => void }): ReactNode {
  const { language } = useContext(TextsContext);
  if (!to) return <span />;
  const name = placeName(chapterId(to), language);
  return (
    <button type="button" className={`turn-button ${icon}`} onClick={() => onGo(to)} aria-label={`${label}: ${name}`}>
      {icon === "back" && <Icon name="back" />}
      <span>{name}</span>
      {icon === "forward" && <Icon name="forward" />}
    </button>
  );
}

function ReadHere({ company, here }: { company: readonly Companion[]; here: Place }): ReactNode {
  const { texts } = useContext(TextsContext);
  const names = company.filter(({ place }) => place?.book === here.book && place.chapter === here.chapter).map(({ name }) => name);
  return (
    <p className="read-here" role="status" dir="auto">
      {names.length > 0 && texts.readHere(names.slice(0, 5).join(", "))}
    </p>
  );
}
