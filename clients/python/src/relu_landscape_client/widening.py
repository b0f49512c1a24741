"""What one more student does at a fixed point: added, or made by splitting one."""

from __future__ import annotations

from dataclasses import dataclass

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    Document,
    each,
    integer,
    nullable,
    number,
    required,
)


@dataclass(frozen=True)
class WiderEnd:
    """Where gradient flow with one student more ends, in the teacher's span.

    ``kind``, ``loss`` and ``structure`` of the point there; None where the flow did not arrive or
    was not followed, and ``reason`` says why.
    """

    kind: str | None
    loss: float | None
    structure: str | None
    is_global: bool
    reason: str | None

    @classmethod
    def from_document(cls, document: Document) -> WiderEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            kind=nullable(document, "kind", str),
            loss=nullable(document, "loss", number),
            structure=nullable(document, "structure", str),
            is_global=bool(required(document, "is_global")),
            reason=nullable(document, "reason", str),
        )


@dataclass(frozen=True, eq=False)
class AddedStudent:
    """The best student to add.

    ``value``: E[(output - teacher's output) ReLU(u.x)] of its direction u, negative; ``cosines``
    (teacher_width,) of u with the teacher units; ``norm`` -2 value; the loss falls by ``gain``,
    value^2, to ``loss``.
    """

    value: float
    cosines: Floats
    norm: float
    gain: float
    loss: float
    leads_to: WiderEnd

    @classmethod
    def from_document(cls, document: Document) -> AddedStudent:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            value=number(required(document, "value")),
            cosines=array(required(document, "cosines")),
            norm=number(required(document, "norm")),
            gain=number(required(document, "gain")),
            loss=number(required(document, "loss")),
            leads_to=WiderEnd.from_document(required(document, "leads_to")),
        )


@dataclass(frozen=True)
class SplitStudent:
    """One student in two parallel parts: a line of critical points one student wider.

    Parting parts mu and 1 - mu has as smallest second derivatives ``eigenvalue_span`` (None where
    the teacher has one unit) and ``eigenvalue_perpendicular`` (None if d = M) over mu (1 - mu).
    ``index``: negative eigenvalues at every point of the line.
    """

    eigenvalue_span: float | None
    eigenvalue_perpendicular: float | None
    index: int
    saddle_line: bool

    @classmethod
    def from_document(cls, document: Document) -> SplitStudent:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            eigenvalue_span=nullable(document, "eigenvalue_span", number),
            eigenvalue_perpendicular=nullable(document, "eigenvalue_perpendicular", number),
            index=integer(required(document, "index")),
            saddle_line=bool(required(document, "saddle_line")),
        )


@dataclass(frozen=True)
class SplitWay:
    """The way down from the student that parts most readily (row of ``R``), split in halves."""

    student: int
    leads_to: WiderEnd

    @classmethod
    def from_document(cls, document: Document) -> SplitWay:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            student=integer(required(document, "student")),
            leads_to=WiderEnd.from_document(required(document, "leads_to")),
        )


@dataclass(frozen=True, eq=False)
class Widening:
    """What one more student does at a fixed point.

    ``best`` is None where none lowers the loss, ``split_way`` where no student parts in the
    teacher's span. ``lower_bound`` of D over all directions, proved (NaN: not proved): no student
    gains more than its square. ``guaranteed_gain``: what the best gains at least, by the loss
    alone; ``residual``: zero at a critical point up to rounding. ``splits``: a row of ``R`` each.
    """

    best: AddedStudent | None
    lower_bound: float
    guaranteed_gain: float
    residual: float
    splits: tuple[SplitStudent, ...]
    split_way: SplitWay | None

    @classmethod
    def from_document(cls, document: Document) -> Widening:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            best=nullable(document, "best", AddedStudent.from_document),
            lower_bound=number(required(document, "lower_bound")),
            guaranteed_gain=number(required(document, "guaranteed_gain")),
            residual=number(required(document, "residual")),
            splits=each(required(document, "splits"), SplitStudent.from_document),
            split_way=nullable(document, "split_way", SplitWay.from_document),
        )

    @property
    def gain(self) -> float:
        """By how much the best student lowers the loss; 0 where none does."""
        return 0.0 if self.best is None else self.best.gain

    @property
    def saddle_lines(self) -> int:
        """How many of the students make a line of saddles when they are split."""
        return sum(split.saddle_line for split in self.splits)
