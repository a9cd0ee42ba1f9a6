/** A post of a discussion: its words and reactions, and what its author and the owners of the group may do with it. */
import { useContext, useRef, useState } from "react";
import type { ReactNode } from "react";
import { Question } from "../parts/Question";
import { useToast } from "../parts/Toasts";
import { TextsContext } from "../texts";
import type { Action } from "./api";
import type { Post } from "./threads";

const REACTIONS = ["👍", "❤️", "🤔"];

export interface PostViewProps {
  post: Post;
  subject: string;
  canPost: boolean;
  isOwner: boolean;
  /** Returns whether it was done. */
  onAct: (action: Action) => Promise<boolean>;
}

export function PostView(props: PostViewProps): ReactNode {
  const { texts, language } = useContext(TextsContext);
  const { post } = props;
  const item = useRef<HTMLLIElement>(null);
  const when = new Date(post.at);
  return (
    <li ref={item} className="post" tabIndex={-1} data-state={post.state}>
      <p className="post-head">
        <strong dir="auto">{post.name ?? post.by ?? texts.deletedUser}</strong>
        <time dateTime={when.toISOString()}>{when.toLocaleString(language, { dateStyle: "medium", timeStyle: "short" })}</time>
      </p>
      <Words {...props} />
      {post.state === "there" && <Reactions {...props} />}
      <Moderation {...props} onGone={() => item.current?.focus()} />
    </li>
  );
}

function Words({ post, subject, isOwner }: PostViewProps): ReactNode {
  const { texts } = useContext(TextsContext);
  if (post.state === "there") return <p className="post-text" dir="auto">{post.text}</p>;
  const says = { hidden: texts.postHidden, deleted: texts.postGone, removed: texts.postRemoved }[post.state];
  if (post.state !== "hidden" || (!isOwner && post.by !== subject)) return <p className="post-text"><em>{says}</em></p>;
  return (
    <details className="post-text">
      <summary><em>{says}</em></summary>
      <p dir="auto">{post.text}</p>
    </details>
  );
}

function Reactions({ post, subject, canPost, onAct }: PostViewProps): ReactNode {
  const { texts } = useContext(TextsContext);
  const shown = [...new Set([...post.reactions.keys(), ...(canPost ? REACTIONS : [])])];
  if (!shown.length) return null;
  return (
    <div className="reactions">
      {shown.map((reaction) => {
        const by = post.reactions.get(reaction) ?? [];
        const isOwn = by.includes(subject);
        return (
          <button key={reaction} type="button" aria-pressed={isOwn} disabled={!canPost} title={texts.react(reaction)}
            onClick={() => void onAct({ do: isOwn ? "unreact" : "react", post: post.id, reaction })}>
            {reaction} {by.length || ""}
          </button>
        );
      })}
    </div>
  );
}

/** To hide is undone with a click; to delete and to remove takes the words away for everybody, so it is asked. */
function Moderation({ post, subject, canPost, isOwner, onAct, onGone }: PostViewProps & { onGone: () => void }): ReactNode {
  const { texts } = useContext(TextsContext);
  const toast = useToast();
  const [isAsked, setAsked] = useState(false);
  const isOwn = post.by === subject;
  if (post.text === null || !canPost || (!isOwn && !isOwner)) return null;
  const hide = async () => {
    const isDone = await onAct({ do: "hide", post: post.id });
    if (isDone) toast({ text: texts.postIsHidden, action: { label: texts.undo, run: () => void onAct({ do: "unhide", post: post.id }) } });
  };
  return (
    <div className="post-actions">
      {isOwner && post.state === "hidden" && (
        <button type="button" className="link-button" onClick={() => void onAct({ do: "unhide", post: post.id })}>{texts.showPost}</button>
      )}
      {isOwner && !isOwn && post.state === "there" && (
        <button type="button" className="link-button" onClick={() => void hide()}>{texts.hidePost}</button>
      )}
      <button type="button" className="link-button" onClick={() => setAsked(true)}>{isOwn ? texts.delete : texts.removePost}</button>
      {isAsked && (
        <Question text={isOwn ? texts.deletePostSure : texts.removePostSure} yes={isOwn ? texts.deletePostYes : texts.removePostYes} onNo={() => setAsked(false)}
          onYes={() => {
            onGone(); // what can be done with it goes, and must not take the focus along
            setAsked(false);
            void onAct({ do: isOwn ? "delete" : "remove", post: post.id });
          }}
        />
      )}
    </div>
  );
}
