"""What is asked of a tally, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import ConfigDict, Field

from relu_landscape.wire.base import Wire
from relu_landscape.wire.jobs import Sealed
from relu_landscape.wire.requests import AnalysisRequest


class TallyRequest(AnalysisRequest):
    """The sum of the first numbers, added slowly."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"numbers": 20}]})

    kind: ClassVar[str] = "tally"

    numbers: int = Field(ge=1, le=1000, strict=True, description="how many numbers are added")
    seconds: float = Field(0.0, ge=0.0, le=10.0, description="seconds that each chunk takes")

    @classmethod
    def maxima(cls, *, largest_width: int, largest_starts: int) -> Mapping[str, int]:
        return {"numbers": largest_starts}


class TallyFinding(Wire):
    """The sum so far."""

    so_far: int


class TallyBody(Wire):
    """The sum."""

    sum: int


class Tally(TallyBody, Sealed):
    """A finished tally."""

    request: TallyRequest
