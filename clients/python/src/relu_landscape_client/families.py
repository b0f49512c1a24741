"""Symmetric families: one point at any width, and a family along real width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import Document, integer, number, required
from relu_landscape_client.points import Spectrum, Stability


@dataclass(frozen=True, eq=False)
class Family:
    """One critical point of a symmetric family; everything the server told is in ``document``.

    ``branches`` lists the family's critical points by loss, as ``{branch, loss, kind, ...}``, and
    ``branch`` is the number of this one; both are empty for a well-known family, which is a single
    branch. Overlaps come by blocks, in ``document["overlaps"]``.
    """

    structure: str
    kind: str
    loss: float
    is_global: bool
    anti_aligned: int
    student_width: int
    teacher_width: int
    stability: Stability
    spectrum: Spectrum
    branch: int | None
    branches: tuple[Mapping[str, Any], ...]
    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> Family:
        """Read an answer of ``GET /v1/families``."""
        branch = document.get("branch")
        lines = document.get("spectrum") or ()
        return cls(
            structure=str(document.get("structure", "")),
            kind=str(document.get("kind", "")),
            loss=number(required(document, "loss")),
            is_global=bool(document.get("is_global", False)),
            anti_aligned=integer(document.get("anti_aligned") or 0),
            student_width=integer(document.get("student_width") or 0),
            teacher_width=integer(document.get("teacher_width") or 0),
            stability=Stability.from_document(
                {**(document.get("stability") or {}), "spectrum": lines}
            ),
            spectrum=Spectrum.from_document(lines),
            branch=None if branch is None else integer(branch),
            branches=tuple(document.get("branches") or ()),
            document=document,
        )


@dataclass(frozen=True)
class Change:
    """A width at which an eigenvalue crosses zero.

    ``component`` and ``space`` say which eigenvalue, ``eigenvalue`` what is left of it there;
    ``stable_below`` and ``stable_above`` speak of the family as a whole.
    """

    width: float
    component: str
    space: str
    eigenvalue: float
    stable_below: bool
    stable_above: bool

    @classmethod
    def from_document(cls, document: Document) -> Change:
        """Read; raises ``ProtocolError`` without a width."""
        return cls(
            width=number(required(document, "width")),
            component=str(document.get("component", "")),
            space=str(document.get("space", "")),
            eigenvalue=number(document.get("eigenvalue")),
            stable_below=bool(document.get("stable_below", False)),
            stable_above=bool(document.get("stable_above", False)),
        )


@dataclass(frozen=True, eq=False)
class Continuation:
    """A family along real teacher width; everything the server told is in ``document``.

    ``widths``, ``losses`` and ``is_stable`` have one entry per point, and so has each array of
    ``smallest``, the smallest eigenvalue by component (NaN where a component does not exist).
    ``ends`` is None, or says at which width the branch folds back, and why it ends.
    """

    structure: str
    widths: Floats
    losses: Floats
    is_stable: NDArray[np.bool_]
    smallest: Mapping[str, Floats]
    changes: tuple[Change, ...]
    ends: Mapping[str, Any] | None
    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> Continuation:
        """Read an answer of ``GET /v1/families/continuation``."""
        points = required(document, "points")
        names = dict.fromkeys(name for point in points for name in point.get("smallest") or {})
        stable = np.array([bool(point.get("is_stable", False)) for point in points], dtype=np.bool_)
        stable.flags.writeable = False
        return cls(
            structure=str(document.get("structure", "")),
            widths=array([number(point.get("width")) for point in points]),
            losses=array([number(point.get("loss")) for point in points]),
            is_stable=stable,
            smallest={
                name: array([number((point.get("smallest") or {}).get(name)) for point in points])
                for name in names
            },
            changes=tuple(map(Change.from_document, document.get("changes") or ())),
            ends=document.get("ends"),
            document=document,
        )
