"""A point of a symmetric structure along the leak of its units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
class Leaks:
    """A critical point of a structure along the slope below zero of leaky ReLU.

    ``points`` are ``{leak, loss, is_stable, smallest, sheet}``, in the order of the branch, and
    ``leaks``, ``losses`` and ``is_stable`` the same as arrays; ``smallest`` is the smallest
    eigenvalue by component. ``changes`` are the leaks at which an eigenvalue crosses zero,
    ``events`` the folds and the points where another branch meets this one. ``ends`` is None, or
    says at which leak the branch stops before the last one, and why.
    """

    structure: str
    student_width: int
    teacher_width: int
    points: tuple[Mapping[str, Any], ...]
    changes: tuple[Mapping[str, Any], ...]
    events: tuple[Mapping[str, Any], ...]
    ends: Mapping[str, Any] | None
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Leaks:
        """Read an answer of ``GET /v1/families/leaks``; raises ``ProtocolError``."""
        found = cls(
            structure=str(required(document, "structure")),
            student_width=integer(required(document, "student_width")),
            teacher_width=integer(required(document, "teacher_width")),
            points=each(required(document, "points"), mapping),
            changes=each(required(document, "changes"), mapping),
            events=each(required(document, "events"), mapping),
            ends=nullable(document, "ends", mapping),
            document=document,
        )
        _ = found.leaks, found.losses, found.is_stable  # now
        return found

    @cached_property
    def leaks(self) -> Floats:
        """The leak of each point."""
        return self._column("leak")

    @cached_property
    def losses(self) -> Floats:
        """The loss of each point."""
        return self._column("loss")

    @cached_property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether each point attracts gradient flow."""
        stable = np.array([bool(required(one, "is_stable")) for one in self.points], np.bool_)
        stable.flags.writeable = False
        return stable

    def _column(self, name: str) -> Floats:
        return array([number(required(one, name)) for one in self.points])
