"""Overlap matrices as a person reads them: by blocks where they have such, else entry by entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

from relu_landscape_cli.fitting import Column, Fitted

#: Half of the last digit that is shown: entries that differ by less are shown by one number.
_SAME = 5e-5
Floats = NDArray[np.float64]


def _rounded(value: float, decimals: int) -> float:
    # A zero added after rounding: an overlap of -1e-17 is not shown as -0.0000.
    return round(value, decimals) + 0.0


def _four(value: float) -> str:
    return f"{_rounded(value, 4): .4f}"


def block_cell(block: Floats) -> str | None:
    """One block in one cell, such as `` 0.9969 /-0.0351`` (on and off its diagonal).

    ``block`` has shape (m, n). None where its entries need more than these two numbers.
    """
    values = block.ravel()
    if np.ptp(values) < _SAME:
        return _four(float(values.mean()))
    rows, columns = block.shape
    if rows != columns:
        return None
    on = np.diagonal(block)
    off = block[~np.eye(rows, dtype=bool)]
    if np.ptp(on) >= _SAME or np.ptp(off) >= _SAME:
        return None
    return f"{_four(float(on.mean()))} / {_four(float(off.mean())).strip()}"


def by_blocks(
    matrix: Floats, rows: Sequence[int], columns: Sequence[int]
) -> list[list[str]] | None:
    """A cell per block; None where the blocks are not those of ``matrix``, shape (K, M).

    ``rows`` and ``columns`` are the sizes of the blocks, in their order.
    """
    if (sum(rows), sum(columns)) != matrix.shape:
        return None
    cells: list[list[str]] = []
    for band in np.split(matrix, np.cumsum(rows)[:-1], axis=0):
        found = [block_cell(each) for each in np.split(band, np.cumsum(columns)[:-1], axis=1)]
        if None in found:
            return None
        cells.append([each for each in found if each is not None])
    return cells


@dataclass(frozen=True)
class Matrix:
    """A matrix that is drawn as wide as there is room; ``of_rows`` says what a row is."""

    name: str
    entries: Floats
    rows: Sequence[int]
    columns: Sequence[int]
    of_rows: str
    of_columns: str

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        if self.entries.ndim != 2 or not self.entries.size:
            return
        title = f"{self.name}: {self.of_rows} (rows) and {self.of_columns} (columns)"
        cells = by_blocks(self.entries, self.rows, self.columns)
        if cells is not None and len(self.rows) < self.entries.shape[0]:
            yield from self._blocks(title, cells)
        else:
            yield from self._entries(title, options.max_width)

    def _blocks(self, title: str, cells: list[list[str]]) -> Iterator[RenderableType]:
        table = [Column("block", [_units(size) for size in self.rows])]
        for size, column in zip(self.columns, zip(*cells, strict=True), strict=True):
            table.append(Column(_units(size), column))
        yield Fitted(
            table, title=f"{title}, by blocks",
            caption="a / b: a on the diagonal of the block, b off it",
        )  # fmt: skip

    def _entries(self, title: str, width: int) -> Iterator[RenderableType]:
        """Four decimals where there is room, otherwise two, and in as many parts as it takes."""
        yield Text(title, "bold")
        count = self.entries.shape[1]
        edge = len(str(self.entries.shape[0])) + 1
        decimals = 4 if edge + 8 * count <= width else 2
        wide = decimals + 4
        fit = max(1, (width - edge) // wide)
        for first in range(0, count, fit):
            last = min(count, first + fit)
            numbers = "".join(f"{number:{wide}d}" for number in range(first + 1, last + 1))
            yield Text(" " * edge + numbers)
            for number, row in enumerate(self.entries[:, first:last].tolist(), 1):
                line = "".join(f"{_rounded(entry, decimals):{wide}.{decimals}f}" for entry in row)
                yield Text(f"{number:<{edge}d}{line}")


def _units(size: int) -> str:
    return "1 unit" if size == 1 else f"{size} units"
