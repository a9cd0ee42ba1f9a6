/** The reader: a header, the text, and the panel; what is open where, and the keys that hold everywhere. */
import type { Highlight } from "crdt-sync";
import { SyncStatus, useHighlights, useNotes, useRealtimeSync, useSession } from "crdt-sync/react";
import { useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
import type { ReactNode } from "react";
import { anchorOf } from "./bible/anchoring";
import { BOOK_OF } from "./bible/books";
import { chapterId, nextChapter, parseSource, previousChapter } from "./bible/place";
import type { Chapter as Place } from "./bible/place";
import { loadBook } from "./bible/text";
import { GroupDialog } from "./groups/GroupDialog";
import { Invitation } from "./groups/Invitation";
import { ThreadPanel } from "./groups/ThreadPanel";
import { HighlightCard } from "./marks/HighlightCard";
import { standingOf } from "./marks/useMarks";
import { Panel } from "./panel/Panel";
import type { Tab } from "./panel/Panel";
import { Company } from "./parts/Company";
import { Icon } from "./parts/Icon";
import { Modal } from "./parts/Modal";
import { SettingsDialog } from "./parts/SettingsDialog";
import { SignIn } from "./parts/SignIn";
import { useToast } from "./parts/Toasts";
import { BookChooser } from "./reading/BookChooser";
import { Chapter } from "./reading/Chapter";
import { goTo, useRoute } from "./reading/route";
import type { Chosen } from "./reading/selection";
import { useBook } from "./reading/useBook";
import type { Account } from "./session/account";
import { useHistory } from "./session/useHistory";
import { useOffer } from "./session/useOffer";
import { useSettings } from "./session/settings";
import { useCompany, useShowSelf } from "./session/useCompany";
import { TextsContext, bookName, placeName } from "./texts";

export interface ReaderProps {
  account: Account;
  group: string | null;
  onGroup: (room: string | null) => void;
  onAccount: (account: Account) => void;
  onSignedOut: () => void;
}

type Open = { readonly ids: readonly string[]; readonly id: string; readonly rect: DOMRect | null };
type Dialog = "books" | "settings" | "groups" | "sign in" | null;
const WIDE = "(min-width: 64rem)";

export function Reader({ account, group, onGroup, onAccount, onSignedOut }: ReaderProps): ReactNode {
  const { texts, language } = useContext(TextsContext);
  const toast = useToast();
  const { place, go } = useRoute();
  const here = useMemo<Place>(() => ({ book: place.book, chapter: place.chapter }), [place.book, place.chapter]);
  const { book, failed, retry } = useBook(here.book);
  const { session } = useSession();
  const library = session?.library ?? null;
  const { status, pending } = useRealtimeSync();
  const highlights = useHighlights();
  const notes = useNotes();
  const canEdit = library !== null && !library.isReadOnly && status.takesEdits;
  const [opened, setOpened] = useState<Open | null>(null);
  const [dialog, setDialog] = useState<Dialog>(null);
  const [isPanelOpen, setPanelOpen] = useState(() => matchMedia(WIDE).matches);
  const [tab, setTab] = useState<Tab>("highlights");
  const [note, setNote] = useState<string | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const { offer, dismiss } = useOffer(library, here, status.state === "connected", canEdit);
  const { undo, redo, canUndo, canRedo } = useHistory(library);
  useShowSelf(account, here);
  const company = useCompany();

  const heading = texts.chapter(bookName(BOOK_OF.get(here.book)!, language), here.chapter);
  const annotated = useMemo(() => new Set(notes.flatMap(({ highlightId }) => (highlightId === null ? [] : [highlightId]))), [notes]);
  const tags = useMemo(() => [...new Set([...highlights, ...notes].flatMap((each) => each.tags))].sort((one, other) => one.localeCompare(other)), [highlights, notes]);
  useEffect(() => void (document.title = `${heading} · ${texts.title}`), [heading, texts.title]);
  useEffect(() => {
    const next = nextChapter(here);
    if (book && next && next.book !== here.book) loadBook(next.book).catch(() => undefined); // ahead of the page turn
  }, [book, here]);

  const openNote = useCallback((id: string | null) => {
    setNote(id);
    if (id !== null) {
      setTab("notes");
      setPanelOpen(true);
      if (!matchMedia(WIDE).matches) setOpened(null);
    }
  }, []);
  const openHighlight = useCallback(
    (highlight: Highlight) => {
      const range = parseSource(highlight.anchor.source);
      if (range) goTo({ book: range.book, chapter: Math.max(range.first[0], 1), verse: range.first[1] || null });
      if (!matchMedia(WIDE).matches) setPanelOpen(false);
      // beside its mark, once its chapter is there
      setTimeout(() => {
        const mark = [...document.querySelectorAll<HTMLElement>("mark")].find((each) => each.dataset.ids?.split(" ").includes(highlight.id));
        setOpened({ ids: [highlight.id], id: highlight.id, rect: mark?.getBoundingClientRect() ?? null });
      }, 60);
    },
    [],
  );
  const add = (chosen: Chosen, color: string): string | null => {
    const anchor = book && anchorOf(book, chosen.start, chosen.end);
    if (!anchor || !library) return null;
    const [only] = highlights.filter((each) => {
      const standing = standingOf(book, each);
      return each.anchor.source === anchor.source && standing?.start === chosen.start && standing.end === chosen.end;
    });
    if (only) {
      library.editHighlight(only.id, { color }); // the same words again: another colour
      return only.id;
    }
    return library.addHighlight({ anchor, color });
  };
  const newNote = (highlightId?: string) => {
    if (library && canEdit) openNote(library.addNote(highlightId === undefined ? {} : { highlightId }));
  };
  const copy = (chosen: Chosen) => {
    if (!book) return;
    const anchor = anchorOf(book, chosen.start, chosen.end);
    if (!anchor) return;
    const words = `${anchor.quote!.exact.replaceAll("\n", " ")} (${placeName(anchor.source, language)}, KJV)`;
    navigator.clipboard.writeText(words).then(() => toast({ text: texts.copied }), () => toast({ text: texts.failed }));
  };
  const remove = (highlight: Highlight) => {
    library?.trash(highlight.id);
    setOpened(null);
    toast({ text: texts.deleted, action: { label: texts.undo, run: () => library?.restore(highlight.id) } });
  };
  const turn = useCallback((to: Place | null) => to && go(to), [go]);
  const back = (which: typeof undo, done: string) => {
    const result = which();
    toast({ text: !result.done ? texts.nothingToUndo : result.kept ? texts.keptFromOthers : done });
  };

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.closest?.("input, textarea, select, [contenteditable='true'], dialog");
      const isCommand = event.ctrlKey || event.metaKey;
      if (isCommand && !isTyping && event.key.toLowerCase() === "z") {
        event.preventDefault();
        if (event.shiftKey) back(redo, texts.redone);
        else back(undo, texts.undone);
      } else if (isCommand && !isTyping && event.key.toLowerCase() === "y") {
        event.preventDefault();
        back(redo, texts.redone);
      } else if (!isTyping && !isCommand && !event.altKey) {
        const rtl = document.documentElement.dir === "rtl";
        const isTurning = !target.closest?.("[role=tablist], [role=toolbar], [role=radiogroup], .card");
        if (event.key === "ArrowRight" && isTurning && !event.shiftKey) turn(rtl ? previousChapter(here) : nextChapter(here));
        else if (event.key === "ArrowLeft" && isTurning && !event.shiftKey) turn(rtl ? nextChapter(here) : previousChapter(here));
        else if (event.key === "Escape") setOpened(null);
        else if (event.key === "b") flushSync(() => setDialog("books")); // what is typed next belongs into it
        else if (event.key === "l") setPanelOpen((open) => !open);
        else if (event.key === "/") {
          flushSync(() => {
            setPanelOpen(true);
            setNote(null);
            setTab((before) => (before === "trash" ? "highlights" : before));
          });
          search.current?.focus();
        } else return;
        event.preventDefault();
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });

  const shown = opened && highlights.find(({ id }) => id === opened.id);
  const close = () => {
    setOpened(null);
    document.querySelector<HTMLElement>(".verse-number[tabindex='0']")?.focus({ preventScroll: true });
  };
  return (
    <div className="reader" data-panel={isPanelOpen || undefined}>
      <a className="skip" href={`#${chapterId(here)}`} onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>(".verse-number[tabindex='0']")?.focus();
      }}>
        {texts.skipToText}
      </a>
      <header className="top">
        <div className="top-start">
          <button type="button" className="place" aria-haspopup="dialog" onClick={() => setDialog("books")}>
            <span>{heading}</span>
            <Icon name="down" />
          </button>
          {account.subject !== null && (
            <button type="button" className="icon-button" aria-label={texts.groups} title={texts.groups} onClick={() => setDialog("groups")}>
              <Icon name="people" />
            </button>
          )}
        </div>
        <div className="top-end">
          <Company company={company} />
          <SyncStatus className="sync" texts={texts.status} onSignIn={() => setDialog("sign in")} />
          <button type="button" className="icon-button wide-only" aria-label={texts.undo} title={texts.undo} disabled={!canUndo} onClick={() => back(undo, texts.undone)}>
            <Icon name="undo" />
          </button>
          <button type="button" className="icon-button wide-only" aria-label={texts.redo} title={texts.redo} disabled={!canRedo} onClick={() => back(redo, texts.redone)}>
            <Icon name="redo" />
          </button>
          <ThemeButton />
          <button type="button" className="icon-button" aria-label={texts.menu} title={texts.menu} aria-haspopup="dialog" onClick={() => setDialog("settings")}>
            <Icon name="menu" />
          </button>
          <button type="button" className="icon-button" aria-label={texts.panel} title={texts.panel} aria-expanded={isPanelOpen} onClick={() => setPanelOpen(!isPanelOpen)}>
            <Icon name="list" />
          </button>
        </div>
      </header>
      <main className="page">
        {offer && (
          <div className="offer" role="status">
            <span dir="auto">{texts.jumpOffer(offer.name || texts.anotherDevice, placeName(chapterId(offer.place), language))}</span>
            <button type="button" className="button primary" onClick={() => {
              dismiss();
              go(offer.place);
            }}>
              {texts.jump}
            </button>
            <button type="button" className="button" onClick={dismiss}>{texts.dismiss}</button>
          </div>
        )}
        {session?.keepsNothing && <p className="offer" role="status">{texts.keepsNothing}</p>}
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
          <Chapter key={chapterId(here)} book={book} chapter={here.chapter} target={place.verse} heading={heading} highlights={highlights} annotated={annotated}
            activeId={opened?.id ?? null} canEdit={canEdit} onColor={add} onCopy={copy}
            onNote={(chosen) => {
              const id = add(chosen, "yellow");
              if (id !== null) newNote(id);
            }}
            onOpen={(ids, rect) => setOpened({ ids, id: ids.at(-1)!, rect })}
          />
        )}
        <nav className="turn" aria-label={texts.books}>
          <Turn to={previousChapter(here)} label={texts.previous} icon="back" language={language} onGo={turn} />
          <Turn to={nextChapter(here)} label={texts.next} icon="forward" language={language} onGo={turn} />
        </nav>
      </main>
      {isPanelOpen && library && (
        <Panel library={library} here={here} tab={tab} onTab={setTab} note={note} onNote={openNote} tags={tags} activeId={opened?.id ?? null} canEdit={canEdit}
          search={search} onOpen={openHighlight} onNewNote={() => newNote()} onClose={() => setPanelOpen(false)} />
      )}
      {shown && library && (
        <HighlightCard key={shown.id} highlight={shown} ids={opened.ids} rect={opened.rect} library={library} notes={notes.filter(({ highlightId }) => highlightId === shown.id)}
          knownTags={tags} canEdit={canEdit} isUnsure={book !== null && standingOf(book, shown)?.found === "unsure"}
          discussion={group !== null && account.subject !== null && <ThreadPanel group={group} subject={account.subject} highlight={shown.id} canPost={canEdit} />}
          onSwitch={(id) => setOpened({ ...opened, id })} onNote={(id) => (id === null ? newNote(shown.id) : openNote(id))} onDelete={() => remove(shown)} onClose={close} />
      )}
      {dialog === "books" && (
        <BookChooser here={here} onClose={() => setDialog(null)}
          onGo={(to) => {
            setDialog(null);
            go(to);
          }}
        />
      )}
      {dialog === "settings" && <SettingsDialog account={account} pending={pending} onSignedOut={onSignedOut} onClose={() => setDialog(null)} />}
      {dialog === "groups" && <GroupDialog group={group} onGroup={onGroup} onClose={() => setDialog(null)} />}
      {account.subject !== null && <Invitation onGroup={onGroup} />}
      {dialog === "sign in" && (
        <Modal title={texts.signIn} className="narrow" onClose={() => setDialog(null)}>
          <SignIn onDone={(signedIn) => {
            setDialog(null);
            onAccount(signedIn);
            session?.provider.reconnect();
          }} />
        </Modal>
      )}
    </div>
  );
}

function Turn({ to, label, icon, language, onGo }: { to: Place | null; label: string; icon: "back" | "forward"; language: "en" | "de"; onGo: (to: Place) => void }): ReactNode {
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

function ReadHere({ company, here }: { company: ReturnType<typeof useCompany>; here: Place }): ReactNode {
  const { texts } = useContext(TextsContext);
  const names = company.filter(({ place }) => place?.book === here.book && place.chapter === here.chapter).map(({ name }) => name);
  return (
    <p className="read-here" role="status" dir="auto">
      {names.length > 0 && texts.readHere(names.slice(0, 5).join(", "))}
    </p>
  );
}

const SCHEME = matchMedia("(prefers-color-scheme: dark)");

function subscribeToScheme(listener: () => void): () => void {
  SCHEME.addEventListener("change", listener);
  return () => SCHEME.removeEventListener("change", listener);
}

function ThemeButton(): ReactNode {
  const { texts } = useContext(TextsContext);
  const { settings, change } = useSettings();
  const prefersDark = useSyncExternalStore(subscribeToScheme, () => SCHEME.matches);
  const isDark = settings.theme === "dark" || (settings.theme === "auto" && prefersDark);
  const label = isDark ? texts.themeLight : texts.themeDark;
  return (
    <button type="button" className="icon-button wide-only" aria-label={`${texts.theme}: ${label}`} title={label} onClick={() => change({ theme: isDark ? "light" : "dark" })}>
      <Icon name={isDark ? "sun" : "moon"} />
    </button>
  );
}
