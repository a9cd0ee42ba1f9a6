"""How the reader feels with 10,000 highlights, in figures: what the test bounds and the benchmark publishes."""

from __future__ import annotations

from itertools import islice
from statistics import median
from typing import Any

from playwright.sync_api import Page, expect

from crdt_sync import Anchor, Quote, blocking
from crdt_sync.document import AddHighlight

__all__ = ["COUNT", "fill", "filtering", "first_render_ms", "scrolling"]

COUNT = 10_000
COLORS = ("yellow", "green", "blue", "pink", "orange", "purple")
WATCH = """() => {
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.longTasks.push(entry.duration);
  }).observe({ type: "longtask", buffered: true });
}"""
SCROLL = """async () => {
  const list = document.querySelector(".virtual");
  const frames = [];
  window.longTasks.length = 0;
  let last = performance.now();
  for (let frame = 0; frame < 180; frame += 1) {
    list.scrollTop += 1500;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return { frames, longTasks: [...window.longTasks], shown: list.querySelectorAll("li").length };
}"""
TYPE = """async () => {
  const field = document.querySelector("input[type=search]");
  const count = document.querySelector(".count");
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const times = [];
  const typed = "comment 777";
  for (let length = 1; length <= typed.length + 1; length += 1) {
    const text = length > typed.length ? "" : typed.slice(0, length);
    const before = count.textContent;
    const began = performance.now();
    set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    times.push(performance.now() - began);
  }
  return { times, shown: count.textContent };
}"""


def fill(library: blocking.Library, count: int = COUNT) -> None:
    """Write highlights all over the Psalms and Genesis, in one edit, with colours, comments and tags."""
    places = (
        f"{book}.{chapter}.{verse}" for chapter in range(1, 51) for book in ("Gen", "Ps") for verse in range(1, 1000)
    )
    library.edit(
        *(
            AddHighlight(
                Anchor(work={"id": "Bible.KJV"}, source=place, quote=Quote(f"some words of {place}, number {number}")),
                color=COLORS[number % len(COLORS)],
                comment=f"comment {number}",
                tags=(f"tag{number % 40}",),
            )
            for number, place in enumerate(islice(places, count))
        )
    )


def first_render_ms(page: Page) -> dict[str, float]:
    """Return when this page showed its first content, and the text, counted from the start of the navigation."""
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    text = page.evaluate("performance.getEntriesByName('text')[0].startTime")
    return {"first_content_ms": paint, "text_ms": text}


def watch(page: Page) -> None:
    page.evaluate(WATCH)


def scrolling(page: Page) -> dict[str, Any]:
    """Scroll the list by 18 rows a frame, and return how long frames took."""
    watch(page)
    measured = page.evaluate(SCROLL)
    frames = sorted(measured["frames"])
    return {
        "median_frame_ms": median(frames),
        "p95_frame_ms": frames[int(len(frames) * 0.95)],
        "longest_frame_ms": frames[-1],
        "long_tasks": len(measured["longTasks"]),
        "rows_in_the_document": measured["shown"],
    }


def filtering(page: Page) -> dict[str, float]:
    """Type into the search field, and return how long it took from a key to the list on the screen."""
    times = sorted(page.evaluate(TYPE)["times"])
    expect(page.locator(".count")).to_contain_text("10,000")
    return {"median_ms": median(times), "longest_ms": times[-1]}
