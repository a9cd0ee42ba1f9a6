"""The reader as a person sees it: what they find by its name and its role, and do with pointer and keys."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser import Tab

__all__ = ["App", "until"]

SELECT = """([verse, start, length]) => {
  const text = document.querySelector(`[data-verse="${verse}"] .verse-text`);
  text.scrollIntoView({ block: "center" });
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let at = 0;
  for (let node = walker.nextNode(); node; at += node.length, node = walker.nextNode()) {
    if (start >= at && start < at + node.length) range.setStart(node, start - at);
    if (start + length > at && start + length <= at + node.length) range.setEnd(node, start + length - at);
  }
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}"""


class App:
    """A tab with the reader in it."""

    def __init__(
        self,
        context: BrowserContext,
        url: str,
        *,
        room: str | None = None,
        place: str = "Gen.1",
        network_fails: bool = False,
    ) -> None:
        self.tab = Tab(context.new_page(), network_fails=network_fails)
        self.url = url.replace("ws://", "http://")
        self.page: Page = self.tab.page
        query = "" if room is None else f"?room={room}"
        self.page.goto(f"{self.url}/{query}#{place}")

    def loaded(self) -> App:
        expect(self.page.locator(".verse").first).to_be_visible()
        return self

    def in_step(self) -> App:
        expect(self.page.locator("[data-sync=connected]")).to_be_attached()
        return self

    def select(self, verse: int, words: str) -> None:
        """Select words of a verse as a pointer would leave them, and wait for the toolbar."""
        element = self.page.locator(f'[data-verse="{verse}"] .verse-text')
        text = element.inner_text()
        self.tab.run(SELECT, [verse, text.index(words), len(words)])
        expect(self.page.get_by_role("toolbar", name="What to do")).to_be_visible()

    def highlight(self, verse: int, words: str, color: str = "yellow") -> None:
        self.select(verse, words)
        self.page.get_by_role("button", name=f"Highlight in {color}").click()
        expect(self.page.get_by_role("toolbar", name="What to do")).to_be_hidden()

    def mark(self, words: str) -> Locator:
        return self.page.locator("mark", has_text=words).first

    def card(self) -> Locator:
        return self.page.get_by_role("dialog", name="Highlight, ")

    def open_mark(self, words: str) -> Locator:
        self.mark(words).click()
        expect(self.card()).to_be_visible()
        return self.card()

    def tab_named(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def panel(self) -> Locator:
        return self.page.get_by_role("complementary", name="Highlights and notes")

    def rows(self) -> Locator:
        return self.panel().locator(".virtual li")


def until(app: App, condition: str) -> None:
    """Wait, bounded, for what the page has to `await`."""
    app.tab.until(f"async () => {condition}")
