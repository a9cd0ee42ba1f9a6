/** The discussion on a highlight of a group: read live from the group's threads, written by requests. */
import { CrdtSync, useSession } from "crdt-sync/react";
import { useCallback, useEffect, useRef, useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { Icon } from "../parts/Icon";
import { useToast } from "../parts/Toasts";
import { token } from "../session/account";
import { RELAY, RelayRefused } from "../session/relay";
import { useTexts } from "../texts";
import { PostView } from "./PostView";
import { act, actionId } from "./api";
import type { Action } from "./api";
import { refusalText } from "./refusals";
import { threadsOn } from "./threads";
import type { Thread } from "./threads";

export interface ThreadPanelProps {
  group: string;
  subject: string;
  highlight: string;
  canPost: boolean;
  /** Owners hide and remove the posts of others. */
  isOwner: boolean;
}

export function ThreadPanel(props: ThreadPanelProps): ReactNode {
  const { group, subject } = props;
  const roomOf = useCallback(() => `${group}/threads`, [group]);
  return (
    <CrdtSync relay={RELAY} userId={subject} roomOf={roomOf} token={token}>
      <Threads {...props} />
    </CrdtSync>
  );
}

function Threads({ group, subject, highlight, canPost, isOwner }: ThreadPanelProps): ReactNode {
  const texts = useTexts();
  const toast = useToast();
  const doc = useSession().session?.library.doc;
  const [threads, setThreads] = useState<readonly Thread[]>([]);
  useEffect(() => {
    if (!doc) return;
    const read = () => setThreads(threadsOn(doc, highlight));
    read();
    doc.on("update", read);
    return () => doc.off("update", read);
  }, [doc, highlight]);
  const send = async (id: string, action: Action): Promise<boolean> => {
    try {
      await act(group, id, action);
      return true;
    } catch (error) {
      if (!(error instanceof RelayRefused)) throw error;
      toast({ text: refusalText(texts, error) });
      return false;
    }
  };
  return (
    <section className="discussion" aria-label={texts.discussion}>
      <h3>{texts.discussion}</h3>
      {threads.map((thread) => (
        <div key={thread.id} className="thread" data-resolved={thread.isResolved || undefined}>
          <ol>
            {thread.posts.map((post) => (
              <PostView key={post.id} post={post} subject={subject} canPost={canPost} isOwner={isOwner && canPost} onAct={(action) => send(actionId(), action)} />
            ))}
          </ol>
          {canPost && !thread.isResolved && <Composer label={texts.reply} onSend={(id, text) => send(id, { do: "reply", thread: thread.id, text })} />}
          {thread.isResolved && <p className="hint">{texts.resolved}</p>}
          {canPost && (
            <button type="button" className="link-button" onClick={() => void send(actionId(), { do: thread.isResolved ? "reopen" : "resolve", thread: thread.id })}>
              <Icon name={thread.isResolved ? "speech" : "check"} />
              {thread.isResolved ? texts.reopen : texts.resolve}
            </button>
          )}
        </div>
      ))}
      {canPost && !threads.some(({ isResolved }) => !isResolved) && (
        <Composer label={texts.startDiscussion} onSend={(id, text) => send(id, { do: "open", highlight, text })} />
      )}
      {!canPost && <p className="hint">{texts.readersOnly}</p>}
    </section>
  );
}

/** What was not sent stays in the field, under the id that it was tried with: it is posted once. */
function Composer({ label, onSend }: { label: string; onSend: (id: string, text: string) => Promise<boolean> }): ReactNode {
  const texts = useTexts();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const tried = useRef<{ id: string; text: string } | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    if (tried.current?.text !== text) tried.current = { id: actionId(), text };
    setBusy(true);
    const sent = await onSend(tried.current.id, text.trim());
    setBusy(false);
    if (!sent) return;
    tried.current = null;
    setText("");
  };
  return (
    <form className="composer" onSubmit={(event) => void submit(event)}>
      <textarea value={text} rows={2} dir="auto" maxLength={4000} aria-label={label} placeholder={label} onChange={(event) => setText(event.target.value)} />
      <button type="submit" className="button primary" disabled={busy || !text.trim()}>{texts.post}</button>
    </form>
  );
}
