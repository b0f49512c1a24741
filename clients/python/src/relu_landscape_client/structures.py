"""Which structures can be asked for at two widths."""

from __future__ import annotations

from dataclasses import dataclass, field

from relu_landscape_client._decode import OURS, Document, each, integer, required


@dataclass(frozen=True)
class StructureChoice:
    """One structure: its ``name``, what that says in ``words``, how many ``unknowns`` a search
    solves for, and the well-known ``families`` whose points have it at these widths."""

    name: str
    words: str
    unknowns: int
    families: tuple[str, ...]

    @classmethod
    def from_document(cls, document: Document) -> StructureChoice:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            name=str(required(document, "name")),
            words=str(required(document, "words")),
            unknowns=integer(required(document, "unknowns")),
            families=each(required(document, "families"), str),
        )


@dataclass(frozen=True, eq=False)
class StructureChoices:
    """The structures that a landscape of these widths searches where none are named.

    ``grammar`` says how others are written.
    """

    student_width: int
    teacher_width: int
    items: tuple[StructureChoice, ...]
    grammar: str
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> StructureChoices:
        """Read an answer of ``GET /v1/structures``; raises ``ProtocolError``."""
        return cls(
            student_width=integer(required(document, "student_width")),
            teacher_width=integer(required(document, "teacher_width")),
            items=each(required(document, "items"), StructureChoice.from_document),
            grammar=str(required(document, "grammar")),
            document=document,
        )
