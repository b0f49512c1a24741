"""A minimum under one-pass SGD, as a function of the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    required,
)


@dataclass(frozen=True, eq=False)
class LearningRates:
    """A minimum of a symmetric family under one-pass SGD in high dimension.

    ``family`` is what was asked for, ``structure`` what that is at these widths, ``branch`` its
    number by loss (None for a well-known family). ``loss`` is that at learning rate 0, ``slope``
    its derivative there. From ``critical_rate`` on, what students have outside the teacher's span
    grows without bound: exactly, or where it ``is_second_order`` with the part in the span held,
    while ``stable`` of a landscape with learning rates looks at the whole equations. ``curve`` is
    ``{learning_rate, first_order, loss}`` in ascending order; ``rates``, ``losses`` and
    ``first_order`` are the same as arrays.
    """

    family: str
    structure: str
    branch: int | None
    student_width: int
    teacher_width: int
    loss: float
    is_global: bool
    slope: float
    critical_rate: float
    is_second_order: bool
    curve: tuple[Mapping[str, Any], ...]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> LearningRates:
        """Read an answer of ``GET /v1/learning-rates``; raises ``ProtocolError``."""
        found = cls(
            family=str(required(document, "family")),
            structure=str(required(document, "structure")),
            branch=nullable(document, "branch", integer),
            student_width=integer(required(document, "student_width")),
            teacher_width=integer(required(document, "teacher_width")),
            loss=number(required(document, "loss")),
            is_global=bool(required(document, "is_global")),
            slope=number(required(document, "slope")),
            critical_rate=number(required(document, "critical_rate")),
            is_second_order=bool(required(document, "is_second_order")),
            curve=each(required(document, "curve"), mapping),
            document=document,
        )
        _ = found.rates, found.losses, found.first_order  # now
        return found

    @cached_property
    def rates(self) -> Floats:
        """Learning rates."""
        return self._column("learning_rate")

    @cached_property
    def losses(self) -> Floats:
        """The loss at each."""
        return self._column("loss")

    @cached_property
    def first_order(self) -> Floats:
        """The loss at each, to first order in it."""
        return self._column("first_order")

    def _column(self, name: str) -> Floats:
        return array([number(required(one, name)) for one in self.curve])
