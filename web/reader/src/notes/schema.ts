/** What a note's body may hold: the elements and marks of docs/protocol.md, "The body of a note", and no more. */
import { Blockquote } from "@tiptap/extension-blockquote";
import { Bold } from "@tiptap/extension-bold";
import { Code } from "@tiptap/extension-code";
import { CodeBlock } from "@tiptap/extension-code-block";
import { Document } from "@tiptap/extension-document";
import { HardBreak } from "@tiptap/extension-hard-break";
import { Heading } from "@tiptap/extension-heading";
import { HorizontalRule } from "@tiptap/extension-horizontal-rule";
import { Italic } from "@tiptap/extension-italic";
import { BulletList } from "@tiptap/extension-list/bullet-list";
import { ListItem } from "@tiptap/extension-list/item";
import { ListKeymap } from "@tiptap/extension-list/keymap";
import { OrderedList } from "@tiptap/extension-list/ordered-list";
import { Paragraph } from "@tiptap/extension-paragraph";
import { Strike } from "@tiptap/extension-strike";
import { Text } from "@tiptap/extension-text";
import { Gapcursor } from "@tiptap/extensions/gap-cursor";
import { SafeLink } from "./SafeLink";

export const BODY_EXTENSIONS = [
  Document, Paragraph, Text, Heading, Blockquote, CodeBlock, HorizontalRule, HardBreak,
  BulletList, OrderedList, ListItem, ListKeymap,
  Bold, Italic, Strike, Code, SafeLink, Gapcursor,
]; // prettier-ignore
