"""The atlas: what the landscapes of many pairs of widths say, in short, computed beforehand."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field

from relu_landscape.wire.base import Count, Wire
from relu_landscape.wire.jobs import Kernel
from relu_landscape.wire.requests import LandscapeRequest, Width
from relu_landscape.wire.widths import (
    STUDENT_NAMES,
    STUDENT_WORDS,
    TEACHER_NAMES,
    TEACHER_WORDS,
)

#: Of the file and of the answer; another one where a member changes its meaning or goes.
FORMAT = "relu-landscape atlas 1"

#: An option of a cell; none that is a list makes sense for every pair of widths.
Option: TypeAlias = bool | int | float | str


class AtlasPoint(Wire):
    """One fixed point, up to relabelling; its weights are in the landscape."""

    key: str = Field(description="of the point in that landscape")
    kind: Literal["minimum", "saddle", "global_continuum"]
    structure: str = Field(description="its block structure, for example '1+6'")
    loss: float
    probability: float | None = Field(
        description="hits over starts asked for; null for saddles, and without starts"
    )
    hits: int | None = Field(description="starts that ended there; null as above")
    index: Count = Field(description="negative eigenvalues in input dimension d")
    smallest_eigenvalue: float = Field(
        description="of the whole Hessian; 0 where it is within its tolerance of zero"
    )
    orbit_size: Count = Field(description="number of relabelled copies; digits beyond 2^53")
    certified: bool = Field(description="proved; only where the cell's options ask for proofs")


class AtlasCell(Wire):
    """One pair of widths: the overview of its landscape."""

    student_width: int
    teacher_width: int
    id: str = Field(description="content id of the landscape: a service that computes it says so")
    digest: str = Field(description="SHA-256 of the landscape's canonical bytes")
    options: dict[str, Option] = Field(
        description="what was asked beside the widths, without what has its default"
    )
    starts: int = Field(description="random starts asked for")
    failed_starts: int
    zero_loss_hits: int | None = Field(description="starts that ended at zero loss")
    zero_loss_probability: float | None = Field(description="those over starts asked for")
    zero_loss_interval_95: tuple[float, float] | None = Field(description="Wilson score interval")
    minima: int = Field(description="those listed, up to relabelling, a continuum as one")
    spurious_minima: int = Field(description="minima of positive loss")
    lowest_spurious_loss: float | None = Field(description="null where there is none")
    missing_mass: float | None = Field(
        description="estimated chance that the next start ends at a point not listed"
    )
    missing_mass_bound_95: float | None
    saddles: int | None = Field(description="isolated ones; null where they were not looked for")
    certified: int | None = Field(description="points with a proof; null where none were asked for")
    seconds: float = Field(description="wall-clock seconds that the landscape took")
    fixed_points: list[AtlasPoint] = Field(
        description="minima by loss, then saddles by loss; saddles that were met without being "
        "looked for are among them"
    )


class AtlasOrigin(Wire):
    """Who computed the atlas, how, and when."""

    version: str = Field(description="of relu-landscape")
    algorithm: str
    kernel: Kernel | None
    device: str = Field(description="what computed")
    libraries: dict[str, str] = Field(description="versions by name")
    command: str = Field(description="what computes it again")
    seconds: float = Field(description="wall-clock seconds of all landscapes together")
    date: str = Field(description="on which the last landscape was finished, UTC")


class Atlas(Wire):
    """The overviews of the landscapes of many pairs of widths."""

    format: Literal["relu-landscape atlas 1"]
    title: str
    licence: str = Field(description="SPDX name of the licence of these data")
    citation: str = Field(description="how to cite them")
    origin: AtlasOrigin
    cells: list[AtlasCell] = Field(description="by teacher width, then by student width")


class AtlasQuery(Wire):
    """Which cells of the atlas; left out: all."""

    model_config = ConfigDict(populate_by_name=True)

    student_width: Width | None = Field(
        None,
        validation_alias=STUDENT_NAMES,
        description=f"only cells of this one; {STUDENT_WORDS}",
    )
    teacher_width: Width | None = Field(
        None,
        validation_alias=TEACHER_NAMES,
        description=f"only cells of this one; {TEACHER_WORDS}",
    )


#: Fields of a request that a cell says by itself.
_WIDTHS = ("student_width", "teacher_width")


def options_of(request: LandscapeRequest) -> dict[str, Option]:
    """What a cell's request asks beside its widths, without what has its default.

    >>> options_of(LandscapeRequest(student_width=2, teacher_width=2, starts=200))
    {'starts': 200}
    """
    asked = request.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in asked.items() if name not in _WIDTHS}
