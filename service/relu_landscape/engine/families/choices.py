"""The short call that says which structures can be asked for."""

from __future__ import annotations

from relu_landscape.engine.families.effort import effort
from relu_landscape.engine.families.naming import resolve
from relu_landscape.engine.families.structures import Structure, default_structures
from relu_landscape.engine.families.wellknown import NUMBERS
from relu_landscape.errors import InputError
from relu_landscape.wire.structures import StructureChoice, StructureChoices, StructuresQuery

FAMILIES = ("global", "all-anti-aligned", *(f"{word}-anti-aligned" for word in NUMBERS))
GRAMMAR = (
    "Blocks of equivalent teachers, joined by +: 1+16. With x, so many students for each teacher "
    "of the block: 1+5x2+11; x0: none. 'extra 1' at the end: so many students that belong to no "
    "block. *: what the other blocks leave of the teacher: 1+*."
)


def structures_answer(query: StructuresQuery) -> StructureChoices:
    """The default structures of two widths, each in words."""
    students, teachers = query.student_width, query.teacher_width
    families = _families(students, teachers)
    return StructureChoices(
        student_width=students,
        teacher_width=teachers,
        items=[
            StructureChoice(
                name=each.name,
                words=in_words(each),
                unknowns=effort(each).unknowns,
                families=families.get(each.name, []),
            )
            for each in default_structures(students, teachers)
        ],
        grammar=GRAMMAR,
    )


def in_words(structure: Structure) -> str:
    """What the name of an integral structure says.

    >>> in_words(Structure((1, 16), (1, 1), 1))
    '1 teacher with 1 student; 16 teachers alike with 1 student each; 1 student apart'
    """
    parts = []
    for size, count in zip(structure.sizes, structure.counts, strict=True):
        alike = "1 teacher" if size == 1 else f"{size} teachers alike"
        many = "no student" if not count else f"{count} student{'s' * (count > 1)}"
        parts.append(f"{alike} with {many}{' each' * (size > 1 and count > 0)}")
    if structure.extra:
        parts.append(f"{structure.extra} student{'s' * (structure.extra > 1)} apart")
    return "; ".join(parts)


def _families(students: int, teachers: int) -> dict[str, list[str]]:
    """Names of well-known families by the structure that they have at these widths."""
    found: dict[str, list[str]] = {}
    for name in FAMILIES:
        try:
            structure, _ = resolve(name, students, teachers)
        except InputError:  # none at these widths
            continue
        found.setdefault(structure.canonical().name, []).append(name)
    return found
