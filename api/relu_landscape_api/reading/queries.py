"""Query strings that every kind of analysis has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from relu_landscape.wire.base import Wire
from relu_landscape_api.reading.negotiation import LONGEST_WAIT_SECONDS


class WaitQuery(Wire):
    """How long a request with a query string may wait."""

    wait: FiniteFloat = Field(
        LONGEST_WAIT_SECONDS,
        ge=0,
        le=LONGEST_WAIT_SECONDS,
        description="seconds to wait for the result before answering 202",
    )


class ListQuery(Wire):
    """Which page of a list of jobs."""

    cursor: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        None, description="next_cursor of the page before; left out: the newest"
    )
    limit: int = Field(50, ge=1, le=200, strict=True, description="jobs per page")


#: A column, or several with commas: names have a few dozen characters.
Columns = Annotated[str, Field(min_length=1, max_length=2000)]


class RowsQuery(Wire):
    """Which rows and columns of a table."""

    where: Annotated[Columns, Field(pattern=r"^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$")] | None = Field(
        None,
        description="conditions such as kind=minimum, several with commas; all must hold",
        examples=["kind=minimum"],
    )
    sort: Columns | None = Field(
        None,
        description="a column to sort by, with a minus sign descending; left out: as in the result",
        examples=["-loss"],
    )
    fields: Columns | None = Field(
        None,
        description="columns with commas, in this order; left out: all of them",
        examples=["key,kind,loss"],
    )
