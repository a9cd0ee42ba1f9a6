/** Books and chapters: a search, two lists of books, and the chapters of the one that is chosen. */
import { useContext, useMemo, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { BOOKS, NEW_TESTAMENT } from "../bible/books";
import type { Book } from "../bible/books";
import type { Chapter } from "../bible/place";
import { Modal } from "../parts/Modal";
import { TextsContext, bookName, useTexts } from "../texts";

export function BookChooser({ here, onGo, onClose }: { here: Chapter; onGo: (place: Chapter) => void; onClose: () => void }): ReactNode {
  const texts = useTexts();
  const { language } = useContext(TextsContext);
  const [chosen, setChosen] = useState(here.book);
  const [text, setText] = useState("");
  const found = useMemo(() => {
    const words = plain(text.replace(/\s*\d+\s*$/, ""));
    return BOOKS.filter((book) => !words || plain(bookName(book, language)).includes(words) || plain(book.id).startsWith(words));
  }, [text, language]);
  const asked = Number(/\s(\d+)\s*$/.exec(text)?.[1] ?? 0);
  const book = found.find(({ id }) => id === chosen) ?? found[0];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (book) onGo({ book: book.id, chapter: Math.min(Math.max(asked, 1), book.chapters) });
  };
  const list = (books: readonly Book[], heading: string) =>
    books.length > 0 && (
      <section>
        <h3>{heading}</h3>
        <ul className="books">
          {books.map((each) => (
            <li key={each.id}>
              <button type="button" aria-pressed={each.id === book?.id} onClick={() => setChosen(each.id)}>
                {bookName(each, language)}
              </button>
            </li>
          ))}
        </ul>
      </section>
    );
  return (
    <Modal title={texts.chooseBook} className="chooser" onClose={onClose}>
      <form onSubmit={submit}>
        <input type="search" autoFocus value={text} placeholder={texts.findBook} aria-label={texts.findBook} onChange={(event) => setText(event.target.value)} />
      </form>
      <div className="chooser-lists">
        <div className="chooser-books">
          {list(found.filter((each) => BOOKS.indexOf(each) < NEW_TESTAMENT), texts.oldTestament)}
          {list(found.filter((each) => BOOKS.indexOf(each) >= NEW_TESTAMENT), texts.newTestament)}
          {!found.length && <p className="empty">{texts.noSuchBook}</p>}
        </div>
        {book && (
          <section className="chapters" aria-label={bookName(book, language)}>
            <h3>{bookName(book, language)}</h3>
            <ul>
              {Array.from({ length: book.chapters }, (_, at) => at + 1).map((chapter) => (
                <li key={chapter}>
                  <button type="button" aria-label={texts.chapter(bookName(book, language), chapter)}
                    aria-current={(book.id === here.book && chapter === here.chapter) || undefined} data-asked={chapter === asked || undefined}
                    onClick={() => onGo({ book: book.id, chapter })}>
                    {chapter}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </Modal>
  );
}

const plain = (text: string): string => text.normalize("NFD").replace(/[\u0300-\u036f.\s]/g, "").toLowerCase();
