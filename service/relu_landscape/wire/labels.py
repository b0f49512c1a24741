"""Tags and notes: what people say of jobs, each for themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from relu_landscape.wire.base import Wire

#: A job has at most so many tags of one person.
MOST_TAGS = 16
LONGEST_TAG = 64
LONGEST_NOTE = 2000

#: Letters of any script, digits and signs, without spaces and commas, which lists are written with,
#: and without what cannot be seen.
TAG_PATTERN = r"^[^\x00-\x20,\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+$"
#: Text, in lines if need be.
NOTE_PATTERN = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"

Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG, pattern=TAG_PATTERN)]
Note = Annotated[str, Field(max_length=LONGEST_NOTE, pattern=NOTE_PATTERN)]


class Label(Wire):
    """What one person says of a job."""

    who: str = Field(description="name of their key; anyone: whoever has none")
    tags: list[str] = Field(default_factory=list, description="sorted")
    note: str | None = Field(None, description="null: none")


def _once(tags: list[str]) -> list[str]:
    return sorted(set(tags))


class LabelChange(Wire):
    """New tags, a new note, or both; a member that is left out, or null, stays as it is."""

    tags: Annotated[list[Tag], AfterValidator(_once)] | None = Field(
        None,
        max_length=MOST_TAGS,
        description="in place of those that were there; an empty list takes them away. A tag has "
        "letters, digits and signs, no spaces or commas",
        examples=[["paper", "fig-3"]],
    )
    note: Note | None = Field(
        None,
        description="in place of the one that was there; an empty text takes it away",
        examples=["the run of figure 3"],
    )
