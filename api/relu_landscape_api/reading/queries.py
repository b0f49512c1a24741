"""Query strings that every kind of analysis has in common."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, FiniteFloat

from relu_landscape.errors import RequestError
from relu_landscape.wire.base import Wire
from relu_landscape.wire.jobs import State
from relu_landscape.wire.labels import Tag
from relu_landscape.wire.requests import LARGEST_SEED
from relu_landscape.wire.widths import STUDENT_NAMES, TEACHER_NAMES
from relu_landscape_api.reading.negotiation import LONGEST_WAIT_SECONDS

#: ``jobs.listing.SORTS``, each with a minus sign as well.
Sort = Literal[
    "created", "-created", "finished", "-finished", "student_width", "-student_width",
    "teacher_width", "-teacher_width", "seconds", "-seconds",
]  # fmt: skip


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


#: A word, or several with commas.
Words = Annotated[str, Field(min_length=1, max_length=500)]
_STATES = "|".join(get_args(State))
_OGC = "accepted|running|successful|failed|dismissed"
States = Annotated[str, Field(max_length=500, pattern=f"^({_STATES})(,({_STATES}))*$")]
Number = Annotated[int, Field(ge=0, le=LARGEST_SEED, strict=True)]
#: A day, or a moment: of UTC unless it says otherwise.
Moment = Annotated[
    str,
    Field(
        max_length=40,
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
    ),
]


class KindQuery(ListQuery):
    """Which jobs of one kind, in which order, and what of each."""

    state: States | None = Field(
        None, description="in this state, or in several with commas", examples=["queued,running"]
    )
    student_width: Number | None = Field(
        None, validation_alias=STUDENT_NAMES, description="asked with this width of the student"
    )
    teacher_width: Number | None = Field(
        None, validation_alias=TEACHER_NAMES, description="asked with this width of the teacher"
    )
    seed: Number | None = Field(None, description="asked with this seed")
    input_dimension: Number | None = Field(None, description="asked with this dimension of inputs")
    mine: bool = Field(False, strict=True, description="asked for by whoever asks now")
    asker: Words | None = Field(
        None,
        description="asked for by this key's name; another than one's own takes the scope admin",
    )
    tag: Tag | None = Field(
        None, description="with this tag of one's own; with the scope admin, of anybody"
    )
    text: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="this occurs in its kind, error, in words of its request such as names of "
        "structures, in one's own tags and note, or at the beginning of its id; capital letters "
        "are as small ones",
    )
    id: Annotated[str, Field(pattern="^[0-9a-f]{1,64}$")] | None = Field(
        None, description="the id begins with these digits"
    )
    since: Moment | None = Field(
        None, description="first asked for at this moment or later", examples=["2026-01-31"]
    )
    until: Moment | None = Field(
        None, description="first asked for before this moment", examples=["2026-01-31T12:00:00Z"]
    )
    sort: Sort | None = Field(
        None,
        description="what to sort by, with a minus sign descending; jobs without it come last. "
        "`seconds`: from the first start to the end. Left out: the newest first",
    )
    fields: Words | None = Field(
        None,
        description="members of each job with commas, what is nested with a dot; left out: all",
        examples=["id,state,request.student_width"],
    )

    @staticmethod
    def moment(field: str, given: str) -> datetime:
        """The moment. Raises ``RequestError`` for one that no calendar has."""
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            raise RequestError(field, given, "a day such as 2026-01-31, or a moment") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)


class JobsQuery(KindQuery):
    """The same of jobs of every kind."""

    kind: Words | None = Field(
        None, description="of this kind, or of several with commas", examples=["landscape"]
    )


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


class OgcProcessesQuery(Wire):
    """How many processes are listed."""

    limit: int = Field(50, ge=1, le=200, strict=True)


class OgcResultsQuery(Wire):
    """In which form a result is wanted: the result itself, or in a document of outputs."""

    response: Literal["raw", "document"] = "raw"


class OgcJobsQuery(ListQuery):
    """Which jobs, in the parameters of OGC API - Processes; several words with commas."""

    type: Literal["process"] = "process"
    processID: Words | None = Field(None, description="of these processes")  # noqa: N815
    status: Annotated[str, Field(pattern=f"^({_OGC})(,({_OGC}))*$")] | None = None
    datetime: Annotated[str, Field(pattern=r"^[0-9T:.Z+-]*(/[0-9T:.Z+-]*)?$")] | None = Field(
        None, description="first asked for then: a moment, or a span such as 2026-01-31/.."
    )
    minDuration: FiniteFloat | None = Field(None, ge=0, description="seconds")  # noqa: N815
    maxDuration: FiniteFloat | None = Field(None, ge=0, description="seconds")  # noqa: N815

    def interval(self) -> list[float | None]:
        """Begin and end of ``datetime`` in seconds since 1970, the end excluded; None: open.

        Moments of jobs are said in milliseconds. Raises ``RequestError``.
        """
        first, slash, last = (self.datetime or "/").partition("/")
        return [
            None if text in ("", "..") else KindQuery.moment("datetime", text).timestamp() + more
            for text, more in ((first, 0.0), (last if slash else first, 0.001))
        ]

    def holds(self, seconds: float | None) -> bool:
        """Whether a job may have lasted so long; None: it has not begun."""
        if self.minDuration is None and self.maxDuration is None:
            return True
        most = math.inf if self.maxDuration is None else self.maxDuration
        return seconds is not None and (self.minDuration or 0.0) <= seconds <= most
