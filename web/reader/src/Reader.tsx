/** The reader: a header, the text, and the panel; what is open where. */
import type { Highlight } from "crdt-sync";
import { useHighlights, useNotes, useRealtimeSync, useSession } from "crdt-sync/react";
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import type { ReactNode } from "react";
import { Dialogs } from "./Dialogs";
import { BOOK_OF } from "./bible/books";
import { chapterId, nextChapter, parseSource, previousChapter } from "./bible/place";
import type { Chapter as Place } from "./bible/place";
import { loadBook } from "./bible/text";
import { ThreadPanel } from "./groups/ThreadPanel";
import { useMembership } from "./groups/useMembership";
import { HighlightCard } from "./marks/HighlightCard";
import { useMarking } from "./marks/useMarking";
import { standingOf } from "./marks/useMarks";
import { Panel } from "./panel/Panel";
import type { Tab } from "./panel/Panel";
import { useToast } from "./parts/Toasts";
import { Page } from "./reading/Page";
import { goTo, useRoute } from "./reading/route";
import { useBook } from "./reading/useBook";
import type { Account } from "./session/account";
import { useCompany, useShowSelf } from "./session/useCompany";
import { useHistory } from "./session/useHistory";
import { useOffer } from "./session/useOffer";
import { TextsContext, bookName } from "./texts";
import { TopBar } from "./top/TopBar";
import type { Dialog } from "./top/TopBar";
import { useKeys } from "./top/useKeys";

export interface ReaderProps {
  account: Account;
  group: string | null;
  onGroup: (room: string | null) => void;
  onAccount: (account: Account) => void;
  onSignedOut: () => void;
}

type Open = { readonly ids: readonly string[]; readonly id: string; readonly rect: DOMRect | null };
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
  const membership = useMembership(group);
  const canEdit = library !== null && !library.isReadOnly && status.takesEdits && membership.role !== "reader" && !membership.ended;
  const [opened, setOpened] = useState<Open | null>(null);
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const [isPanelOpen, setPanelOpen] = useState(() => matchMedia(WIDE).matches);
  const [tab, setTab] = useState<Tab>("highlights");
  const [note, setNote] = useState<string | null>(null);
  const search = useRef<HTMLInputElement>(null);
  const { offer, dismiss } = useOffer(group === null ? library : null, here, status.state === "connected", canEdit);
  const { undo, redo, canUndo, canRedo } = useHistory(library);
  const marking = useMarking(book, library, highlights);
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
  const openHighlight = useCallback((highlight: Highlight) => {
    const range = parseSource(highlight.anchor.source);
    if (range) goTo({ book: range.book, chapter: Math.max(range.first[0], 1), verse: range.first[1] || null });
    if (!matchMedia(WIDE).matches) setPanelOpen(false);
    // beside its mark, once its chapter is there
    setTimeout(() => {
      const mark = [...document.querySelectorAll<HTMLElement>("mark")].find((each) => each.dataset.ids?.split(" ").includes(highlight.id));
      setOpened({ ids: [highlight.id], id: highlight.id, rect: mark?.getBoundingClientRect() ?? null });
    }, 60);
  }, []);
  const newNote = (highlightId?: string) => {
    if (library && canEdit) openNote(library.addNote(highlightId === undefined ? {} : { highlightId }));
  };
  const turn = (to: Place | null) => to && go(to);
  const back = (which: typeof undo, done: string) => {
    const undone = which();
    toast({ text: !undone ? texts.nothingToUndo : undone.kept.length ? texts.keptFromOthers : done });
  };
  const takeBack = () => back(undo, texts.undone);
  const makeAgain = () => back(redo, texts.redone);
  useKeys({
    undo: takeBack,
    redo: makeAgain,
    next: () => turn(nextChapter(here)),
    previous: () => turn(previousChapter(here)),
    escape: () => setOpened(null),
    books: () => flushSync(() => setDialog("books")), // what is typed next belongs into it
    panel: () => setPanelOpen((open) => !open),
    search: () => {
      flushSync(() => {
        setPanelOpen(true);
        setNote(null);
        setTab((before) => (before === "trash" ? "highlights" : before));
      });
      search.current?.focus();
    },
  });

  const shown = opened && highlights.find(({ id }) => id === opened.id);
  const toText = () => document.querySelector<HTMLElement>(".verse-number[tabindex='0']");
  return (
    <div className="reader" data-panel={isPanelOpen || undefined}>
      <a className="skip" href={`#${chapterId(here)}`} onClick={(event) => {
        event.preventDefault();
        toText()?.focus();
      }}>
        {texts.skipToText}
      </a>
      <TopBar heading={heading} company={company} hasGroups={account.subject !== null} groupName={group && (membership.name ?? texts.group)} canUndo={canUndo} canRedo={canRedo}
        isPanelOpen={isPanelOpen} onUndo={takeBack} onRedo={makeAgain} onPanel={() => setPanelOpen(!isPanelOpen)} onDialog={setDialog} />
      <Page book={book} failed={failed} retry={retry} here={here} verse={place.verse} heading={heading} company={company} offer={offer} dismiss={dismiss}
        highlights={highlights} annotated={annotated} activeId={opened?.id ?? null} canEdit={canEdit} onGo={go} onColor={marking.add} onCopy={marking.copy}
        onNote={(chosen) => {
          const id = marking.add(chosen, "yellow");
          if (id !== null) newNote(id);
        }}
        onOpen={(ids, rect) => setOpened({ ids, id: ids.at(-1)!, rect })}
        notices={
          <>
            {session?.keepsNothing && <p className="offer" role="status">{texts.keepsNothing}</p>}
            {membership.ended && (
              <div className="offer" role="alert">
                <span>{texts.membershipEnded[membership.ended]}</span>
                <button type="button" className="button primary" onClick={() => onGroup(null)}>{texts.toOwnLibrary}</button>
              </div>
            )}
          </>
        }
      />
      {isPanelOpen && library && (
        <Panel library={library} here={here} tab={tab} onTab={setTab} note={note} onNote={openNote} tags={tags} activeId={opened?.id ?? null} canEdit={canEdit}
          search={search} onOpen={openHighlight} onNewNote={() => newNote()} onClose={() => setPanelOpen(false)} />
      )}
      {shown && library && (
        <HighlightCard key={shown.id} highlight={shown} ids={opened.ids} rect={opened.rect} library={library} notes={notes.filter(({ highlightId }) => highlightId === shown.id)}
          knownTags={tags} canEdit={canEdit} isUnsure={book !== null && standingOf(book, shown)?.found === "unsure"}
          discussion={group !== null && account.subject !== null && (
            <ThreadPanel group={group} subject={account.subject} highlight={shown.id} canPost={canEdit} isOwner={membership.role === "owner"} />
          )}
          onSwitch={(id) => setOpened({ ...opened, id })} onNote={(id) => (id === null ? newNote(shown.id) : openNote(id))}
          onDelete={() => {
            marking.remove(shown);
            setOpened(null);
          }}
          onClose={() => {
            setOpened(null);
            toText()?.focus({ preventScroll: true });
          }}
        />
      )}
      <Dialogs dialog={dialog} account={account} group={group} here={here} pending={pending} membership={membership} onGo={go} onGroup={onGroup}
        onAccount={onAccount} onSignedOut={onSignedOut} onClose={() => setDialog(null)} />
    </div>
  );
}
