"""The parts of a result as a table."""

from __future__ import annotations

from pydantic import Field

from relu_landscape.wire.base import Wire


class Rows(Wire):
    """A row for each part, all with the same columns."""

    items: list[dict[str, str | int | float | bool | None]] = Field(
        description="values by column; what is nested in the result has a dotted name"
    )


class RowsPage(Rows):
    """One page of a list as a table."""

    next_cursor: str | None = Field(description="pass it to get the next page; null: the last one")
