"""Tables that fit the terminal: what has no room is shortened, then left out, and never cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

#: Cells between two columns.
_GAP = 2


@dataclass(frozen=True)
class Column:
    """One column: a heading and a cell per row.

    ``dropped`` says when it goes where there is no room: the highest first (one number belongs to
    one column), 0 never, as many columns as they may be. Before that
    ``short`` and ``short_heading`` stand in for the long ones. ``is_number``: to the right.
    """

    heading: str
    cells: Sequence[str]
    dropped: int = 0
    short: Sequence[str] | None = None
    short_heading: str | None = None
    is_number: bool = False

    @property
    def width(self) -> int:
        """Cells of a terminal that the widest entry takes."""
        return max(map(cell_len, (self.heading, *self.cells)))

    def shortened(self) -> Column:
        """The same with the short heading and cells."""
        return replace(
            self,
            heading=self.heading if self.short_heading is None else self.short_heading,
            cells=self.cells if self.short is None else self.short,
        )


def fit(columns: Sequence[Column], width: int) -> list[Column]:
    """As many of ``columns`` as ``width`` cells have room for, in their order.

    What would be dropped first is shortened first; nothing is dropped before all are short.
    """
    kept = list(columns)
    by_need = sorted(range(len(kept)), key=lambda index: -kept[index].dropped)
    for index in by_need:
        if _width(kept) > width:
            kept[index] = kept[index].shortened()
    while _width(kept) > width and any(each.dropped for each in kept):
        kept.remove(max(kept, key=lambda each: each.dropped))
    return kept


def _width(columns: Sequence[Column]) -> int:
    return sum(each.width + _GAP for each in columns) - _GAP


class Fitted:
    """A table that is fitted when it is printed, for only then is the width known."""

    def __init__(self, columns: Sequence[Column], *, title: str = "", caption: str = "") -> None:
        self.columns = columns
        self.title = title
        self.caption = caption

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        kept = fit(self.columns, options.max_width)
        still = {each.dropped for each in kept}
        lost = [each.heading for each in self.columns if each.dropped not in still]
        if self.title:
            yield Text(self.title, "bold")
        yield _drawn(kept)
        if self.caption:
            yield Text(self.caption)
        if lost:
            yield Text(f"no room for: {', '.join(lost)}; a wider terminal shows them, or --json")


def _drawn(columns: Sequence[Column]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
        show_header=any(each.heading for each in columns),
    )  # fmt: skip
    for each in columns:
        # What is still too wide goes on in the next line: a table must not hide a digit.
        table.add_column(
            each.heading, justify="right" if each.is_number else "left", overflow="fold"
        )
    for row in zip(*(each.cells for each in columns), strict=True):
        table.add_row(*row)
    return table
