/** Tags as chips, with a field that adds one. */
import { useId, useState } from "react";
import type { KeyboardEvent, ReactNode } from "react";
import { useTexts } from "../texts";
import { Icon } from "./Icon";

export interface TagsProps {
  tags: readonly string[];
  known: readonly string[];
  canEdit: boolean;
  onAdd: (tag: string) => void;
  onRemove: (tag: string) => void;
}

const MAX_CHARACTERS = 100;

export function Tags({ tags, known, canEdit, onAdd, onRemove }: TagsProps): ReactNode {
  const texts = useTexts();
  const list = useId();
  const [given, setGiven] = useState("");
  const add = () => {
    const tag = given.trim().replace(/^#/, "").slice(0, MAX_CHARACTERS);
    if (tag && !tags.includes(tag)) onAdd(tag);
    setGiven("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== ",") return;
    event.preventDefault();
    add();
  };
  return (
    <div className="tags">
      {tags.map((tag) => (
        <span key={tag} className="tag" dir="auto">
          {tag}
          {canEdit && (
            <button type="button" aria-label={texts.removeTag(tag)} onClick={() => onRemove(tag)}>
              <Icon name="close" />
            </button>
          )}
        </span>
      ))}
      {canEdit && (
        <>
          <input value={given} list={list} placeholder={texts.addTag} aria-label={texts.addTag} dir="auto" maxLength={MAX_CHARACTERS}
            onChange={(event) => setGiven(event.target.value)} onKeyDown={onKeyDown} onBlur={add} />
          <datalist id={list}>
            {known.filter((tag) => !tags.includes(tag)).slice(0, 50).map((tag) => <option key={tag} value={tag} />)}
          </datalist>
        </>
      )}
    </div>
  );
}
