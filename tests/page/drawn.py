"""What a picture of the page holds, read from its marks."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

_MARKS = """(selector) => [...document.querySelectorAll(`${selector} .mark-point`)].map((mark) => {
  const { key, name, x, y, size, low, high } = mark.dataset;
  const number = (text) => (text === undefined ? null : Number(text));
  return { key, name: name ?? key, x: number(x), y: number(y), size: number(size),
           low: number(low), high: number(high) };
})"""


def marks(page: Page, selector: str) -> list[dict[str, Any]]:
    """Every mark of the picture in ``selector``, in the order in which they are drawn."""
    page.wait_for_selector(f"{selector} .picture")
    found: list[dict[str, Any]] = page.evaluate(_MARKS, selector)
    return found


def lines(page: Page, selector: str, name: str) -> list[list[float] | None]:
    """The corners of a named line; None where it is broken."""
    found: list[list[float] | None] = page.evaluate(
        "(where) => JSON.parse(document.querySelector(where).dataset.points)",
        f"{selector} path.{name}",
    )
    return found


def box(page: Page, selector: str) -> dict[str, float]:
    """Where an element is on the screen: left, top, right, bottom."""
    found: dict[str, float] = page.locator(selector).first.evaluate(
        """element => { const { left, top, right, bottom } = element.getBoundingClientRect();
                        return { left, top, right, bottom }; }"""
    )
    return found
