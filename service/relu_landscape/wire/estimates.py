"""What a landscape will take, said before anything is computed."""

from __future__ import annotations

from pydantic import Field

from relu_landscape.wire.base import Wire
from relu_landscape.wire.requests import LandscapeRequest


class Estimate(Wire):
    """What a landscape will take if nothing of it is known yet."""

    request: LandscapeRequest = Field(description="the question with every default filled in")
    seconds: dict[str, float] = Field(
        description="processor seconds of one core by phase, in the order of the phases, with the "
        "native kernel; with NumPy alone random starts take about ten times as long"
    )
    core_seconds: float = Field(
        description="their sum; divided by the number of workers, about the time to wait"
    )
    stored_bytes: float = Field(
        description="what the job takes of the store's memory at its largest, compressed as it is"
    )
    worker_bytes: float = Field(description="most memory that one worker process may need")
    factor: float = Field(
        description="nine of ten of the landscapes that were measured are within this factor of "
        "core_seconds, upwards or downwards"
    )
    is_extrapolated: bool = Field(
        description="whether widths or starts lie beyond those that were measured, the teacher is "
        "not orthonormal, or there is a leak: then these are orders of magnitude"
    )
