/**
 * The link mark, `{href, title}` as the document has it (docs/protocol.md). An address comes from a stranger: what
 * `targetOf` does not know is no link here, and stays in the document as it is.
 */
import { Mark, mergeAttributes } from "@tiptap/core";
import { targetOf } from "./links";

export const SafeLink = Mark.create({
  name: "link",
  inclusive: false,
  exitable: true,
  addAttributes: () => ({ href: { default: null }, title: { default: null } }),
  parseHTML: () => [
    {
      tag: "a",
      getAttrs: (element) => {
        const href = element.getAttribute("data-href") ?? element.getAttribute("href");
        return targetOf(href) ? { href, title: element.getAttribute("title") } : false;
      },
    },
  ],
  renderHTML: ({ mark }) => {
    const { href } = mark.attrs as { href: unknown };
    const target = targetOf(href);
    if (!target) return ["span", mergeAttributes({ class: "bad-link" }), 0];
    const address = target.kind === "web" ? { href: target.url, rel: "noopener noreferrer nofollow", target: "_blank" } : { role: "link" };
    return ["a", { ...address, "data-href": href, "data-kind": target.kind }, 0];
  },
});
