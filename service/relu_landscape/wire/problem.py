"""An error as it is answered (RFC 9457)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class FieldProblem(BaseModel):
    """One thing wrong with one field of a request."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="long name of the field, with a path into arrays")
    value: Any = Field(description="what came, shortened where long")
    message: str = Field(description="a sentence with the bounds")


class Problem(BaseModel):
    """An error answer (RFC 9457); some have members of their own besides."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URN of the kind of problem")
    title: str = Field(description="the kind of problem, in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what was wrong this time and, where there is one, the remedy")
    instance: str = Field(description="the path that was asked")
    request_id: str = Field(description="also in the header X-Request-Id and in the log")
    errors: list[FieldProblem] | None = Field(
        None, description="for a request that is not valid: field, value and bounds of each fault"
    )


class StreamProblem(BaseModel):
    """Data of an event named ``problem``: the stream broke, and connecting again may help."""

    model_config = ConfigDict(frozen=True)

    title: str = Field(description="the kind of problem, in words")
    status: int = Field(description="the HTTP status that an answer would have")
    detail: str = Field(description="what was wrong this time")
