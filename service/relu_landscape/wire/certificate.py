"""A computer-assisted proof as JSON: what the verifier reads, typed.

The verifier itself (``engine.certificates``) reads plain JSON and trusts nothing of it; these
models are what other readers may rely on.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from relu_landscape.wire.base import Count, Wire

Decimal = str


class LossInterval(Wire):
    """Decimal strings that enclose the loss of the exact critical point."""

    lower: Decimal = Field(description="rounded down")
    upper: Decimal = Field(description="rounded up")


class ProvenSpectrum(Wire):
    """What is proven of one block of the Hessian at the stored point."""

    index: Count = Field(description="negative eigenvalues, multiplicities counted")
    gap: float = Field(description="no eigenvalue lies within this of zero")
    lowest: float = Field(description="no eigenvalue lies below this")


class ProvenSpectra(Wire):
    """Both blocks of the Hessian at the stored point."""

    span: ProvenSpectrum = Field(description="the block in the teacher's span")
    perpendicular: ProvenSpectrum = Field(description="the block of each perpendicular dimension")


class StudentBlock(Wire):
    """A block of equivalent students."""

    size: int = Field(description="students in the block")
    teacher_block: int | None = Field(
        description="position of the teacher block it is permuted with; null: a single student"
    )


class StructuredPoint(Wire):
    """A point given by its block structure; see ``engine.certificates.reduced``."""

    teacher_blocks: list[int] = Field(description="sizes of the teacher blocks")
    student_blocks: list[StudentBlock]
    x: list[list[Decimal]] = Field(description="unknowns per student block and teacher block")
    y: list[Decimal | None] = Field(description="unknown of each natural student block")


class Certificate(Wire):
    """A proof about one isolated critical point, or the reason why there is none."""

    format: str = Field(description="names the meaning of the fields")
    method: Literal["dense", "reduced"]
    mode: Literal["fast", "strict"]
    bits: int | None = Field(None, description="working precision of the proof")
    student_width: int
    teacher_width: int
    leak: float = Field(
        0.0,
        exclude_if=lambda leak: leak == 0.0,
        description="slope below zero of all units, whose loss and eigenvalues these are; left "
        "out: 0, ReLU",
    )
    weights: list[list[float]] | None = Field(
        None, description="stored point of the dense method, students x span"
    )
    structured_point: StructuredPoint | None = Field(
        None, description="stored point of the reduced method"
    )
    verdict: Literal["minimum", "saddle", "not certified"]
    reason: str | None = Field(description="why nothing is certified; null where something is")
    statement: str | None = Field(description="what is proven, in one sentence")
    index_span: Count | None = Field(description="negative eigenvalues in the teacher's span")
    index_perpendicular: Count | None = Field(
        description="negative eigenvalues per perpendicular dimension"
    )
    radius: float | None = Field(
        description="exactly one critical point lies within this of the stored point"
    )
    attribution_radius: float | None = Field(
        description="gradient flow from within this of the critical point ends there; minima only"
    )
    smallest_eigenvalue_span: float | None = Field(
        description="proven lower bound at the critical point, in the teacher's span"
    )
    smallest_eigenvalue_perpendicular: float | None = Field(
        description="the same for the perpendicular block"
    )
    loss: LossInterval | None
    spurious: bool | None = Field(description="see spurious_rule; null where the word is not used")
    spurious_rule: str
    lipschitz: float | None = Field(description="bound on how fast the Hessian changes")
    gradient_norm: float | None = Field(description="upper bound at the stored point")
    stored_point: ProvenSpectra | None
