"""Symmetric structures: how students and teachers fall into blocks of equivalent units.

A structure is a subgroup of the permutations of students and teachers, a product of symmetric
groups: every teacher block ``t`` of size ``p_t`` has its own group, which permutes the teachers of
the block and, together with them, the students of every *natural* student block on it (one student
per teacher). A *student-only* unit is fixed by the group. The weights that the group fixes form a
space of a few dimensions whatever the width is; ``reduced`` and ``spectrum`` work there.

Names follow one grammar (spaces around ``+`` are allowed)::

    name   = block { "+" block } [ " extra " count ]
    block  = size [ "x" count ]
    size   = number of teachers in the block: an integer, or a real number such as 15.5
    count  = number of natural student blocks on it; left out: 1; 0: no students (teacher-only)

so ``1+16`` has 17 students and 17 teachers, ``1+16 extra 1`` one more student, ``1+5x2+11`` two
students per teacher on the block of five, and ``4+2x0 extra 1`` two teachers without partners and a
student-only unit. A student on a block of size one is a student-only unit by nature; its place in
the name only says where it is listed. In the name of a *family*, sizes written ``*`` share what the
other blocks leave of the teacher's width: ``1+*`` is one unit against all the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from relu_landscape.errors import InputError

#: A size this close to an integer (relative) is that integer: sums of decimal fractions are exact
#: to a few units of 2^-53 only.
_INTEGER_TOLERANCE = 1e-12

#: No structure of the default set has more student-only units besides those on single teachers:
#: every one adds unknowns and starts, and several mostly end as one unit split in parts.
MOST_EXTRA = 2

_BLOCK = re.compile(r"(?P<size>\*|[0-9]{1,15}(?:\.[0-9]{1,17})?)(?:x(?P<count>[0-9]{1,3}))?")
_NAME = re.compile(r"(?P<blocks>[^a-wyz]+?)(?:\s+extra\s+(?P<extra>[0-9]{1,4}))?")


@dataclass(frozen=True)
class StudentBlock:
    """Equivalent students: natural on ``teacher_block``, or student-only (``None``).

    ``listed_with`` is the teacher block beside which the students stand in canonical order.
    """

    size: float
    teacher_block: int | None
    listed_with: int | None


@dataclass(frozen=True)
class Structure:
    """Teacher blocks, the number of natural student blocks on each, and further student-only units.

    ``sizes`` are real numbers of at least 1 (integral ones are stored as ``int``); ``counts`` has
    the number of natural student blocks on each; ``extra`` is the number of student-only units
    not listed with a block of size one. ``leak``: slope below zero of the activation, on which the
    points of the structure depend as on its sizes; no part of its name.

    Raises ``InputError`` for sizes below 1, negative counts, no teacher or no student.
    """

    sizes: tuple[float, ...]
    counts: tuple[int, ...]
    extra: int = 0
    leak: float = 0.0

    def __post_init__(self) -> None:
        if not self.sizes or len(self.sizes) != len(self.counts):
            raise InputError("A structure needs at least one teacher block and a count for each.")
        if any(not math.isfinite(size) or size < 1 for size in self.sizes):
            raise InputError(f"Teacher blocks have a size of at least 1, not {self.sizes}.")
        if any(count < 0 for count in self.counts) or self.extra < 0:
            raise InputError("Numbers of student blocks and extra students are not negative.")
        if not any(self.counts) and not self.extra:
            raise InputError("A structure needs at least one student.")
        object.__setattr__(self, "sizes", tuple(_tidy(size) for size in self.sizes))

    @property
    def students(self) -> tuple[StudentBlock, ...]:
        """Student blocks in canonical order: block by block, then the extra units."""
        blocks = []
        for t, (size, count) in enumerate(zip(self.sizes, self.counts, strict=True)):
            own = t if size > 1 else None
            blocks += [StudentBlock(size, own, t)] * count
        return tuple(blocks + [StudentBlock(1, None, None)] * self.extra)

    @property
    def teacher_width(self) -> float:
        return _tidy(math.fsum(self.sizes)) if not self.is_integral else sum(self.sizes)

    @property
    def student_width(self) -> float:
        pairs = zip(self.sizes, self.counts, strict=True)
        if self.is_integral:
            return sum(size * count for size, count in pairs) + self.extra
        return _tidy(math.fsum([size * count for size, count in pairs] + [self.extra]))

    @property
    def is_integral(self) -> bool:
        """All block sizes are integers, so the structure exists in a network."""
        return all(isinstance(size, int) for size in self.sizes)

    @property
    def name(self) -> str:
        """The name in the grammar above; ``parse`` reads it back."""
        blocks = "+".join(
            _number(size) + ("" if count == 1 else f"x{count}")
            for size, count in zip(self.sizes, self.counts, strict=True)
        )
        return blocks + (f" extra {self.extra}" if self.extra else "")

    def canonical(self) -> Structure:
        """The same group with blocks by ascending size, then ascending number of student blocks.

        Student-only units are listed with the blocks of size one as far as they go.
        """
        units = self.extra + sum(c for p, c in zip(self.sizes, self.counts, strict=True) if p == 1)
        singles = self.sizes.count(1)
        paired = min(units, singles)
        blocks = [(p, c) for p, c in zip(self.sizes, self.counts, strict=True) if p != 1]
        blocks += [(1, 1)] * paired + [(1, 0)] * (singles - paired)
        blocks.sort()
        sizes, counts = tuple(p for p, _ in blocks), tuple(c for _, c in blocks)
        return Structure(sizes, counts, units - paired, self.leak)

    def resized(self, sizes: tuple[float, ...]) -> Structure:
        """The same kinds of blocks with other sizes; blocks of size one stay what they are."""
        if len(sizes) != len(self.sizes) or any(
            (new == 1) != (old == 1) for new, old in zip(sizes, self.sizes, strict=True)
        ):
            raise InputError("Resizing keeps the number of blocks and which of them have size 1.")
        return Structure(sizes, self.counts, self.extra, self.leak)


def parse(
    name: str,
    *,
    student_width: float | None = None,
    teacher_width: float | None = None,
    leak: float = 0.0,
) -> Structure:
    """Read a structure's name; with widths, also fill in ``*`` and check that they fit.

    Raises ``InputError`` where the name is not in the grammar (see the module), where ``*`` has
    no teacher width to fill, or where the blocks do not add up to the widths given.
    """
    match = _NAME.fullmatch(name.strip()) if len(name) <= 4096 else None
    blocks = (
        [_BLOCK.fullmatch(part.strip()) for part in match["blocks"].split("+")] if match else []
    )
    if match is None or not all(blocks):
        raise InputError(
            f"{name[:80]!r} is no structure: write blocks as '1+16', student-only units as "
            "'1+16 extra 1', two students per teacher as '1+5x2+11', no student as '4+2x0'."
        )
    sizes = _fill([block["size"] for block in blocks if block], name, teacher_width)
    counts = tuple(int(block["count"] or 1) for block in blocks if block)
    structure = Structure(sizes, counts, int(match["extra"] or 0), leak)
    for what, wanted, has in (
        ("teachers", teacher_width, structure.teacher_width),
        ("students", student_width, structure.student_width),
    ):
        if wanted is not None and not math.isclose(wanted, has, rel_tol=_INTEGER_TOLERANCE):
            raise InputError(
                f"The structure {name!r} has {_number(has)} {what}, not {_number(wanted)}."
            )
    return structure


def default_structures(student_width: int, teacher_width: int) -> tuple[Structure, ...]:
    """The structures that are searched when none are named, in canonical order.

    Equal widths: all partitions of the teacher into one and two blocks and into ``(1, p, q)``.
    These hold every published minimum (Safran, Yehudai and Shamir, arXiv:2006.01005) up to width
    100. More students: the same teacher blocks with at most ``MOST_EXTRA`` student-only units and
    up to two natural student blocks on a teacher block, whatever adds up. Fewer students: up to two
    natural blocks, one teacher-only block and up to two student-only units (one such unit can serve
    the whole teacher-only block), or one natural block and two teacher-only blocks with one unit
    for each. The set can be empty (say, 64 students and 1 teacher need more student-only units).
    """
    if min(student_width, teacher_width) < 1:
        raise InputError("Widths are at least 1.")
    if student_width >= teacher_width:
        found = set(_covering(student_width, teacher_width))
    else:
        found = set(_narrow(student_width, teacher_width))
    return tuple(sorted(found, key=lambda s: (len(s.sizes), s.extra, s.counts, s.sizes)))


def _covering(students: int, teachers: int) -> Iterator[Structure]:
    for sizes in _partitions(teachers):
        for doubled in range(2 ** len(sizes)):
            counts = tuple(1 + (doubled >> t & 1) for t in range(len(sizes)))
            if any(p == 1 and c == 2 for p, c in zip(sizes, counts, strict=True)):
                continue  # a second student on a single teacher is a student-only unit
            extra = students - sum(p * c for p, c in zip(sizes, counts, strict=True))
            if 0 <= extra <= MOST_EXTRA:
                yield Structure(sizes, counts, extra).canonical()


def _narrow(students: int, teachers: int) -> Iterator[Structure]:
    for extra in range(min(MOST_EXTRA, students) + 1):
        natural, alone = students - extra, teachers - students + extra
        parts: list[tuple[int, ...]] = [()] if natural == 0 else [(natural,)]
        parts += [(p, natural - p) for p in range(1, natural // 2 + 1)]
        for part in parts:
            counts = (1,) * len(part)
            yield Structure((*part, alone), (*counts, 0), extra).canonical()
            if extra == 2 and len(part) <= 1:
                for p in range(1, alone // 2 + 1):
                    yield Structure((*part, p, alone - p), (*counts, 0, 0), extra).canonical()


def _partitions(width: int) -> Iterator[tuple[int, ...]]:
    """One block, two blocks, and a single unit with two blocks, ascending."""
    yield (width,)
    for p in range(1, width // 2 + 1):
        yield (p, width - p)
    for p in range(1, (width - 1) // 2 + 1):
        yield (1, p, width - 1 - p)


def _fill(sizes: list[str], name: str, teacher_width: float | None) -> tuple[float, ...]:
    stars = sizes.count("*")
    known = [_tidy(float(size)) if "." in size else int(size) for size in sizes if size != "*"]
    if not stars:
        return tuple(known)
    if teacher_width is None:
        raise InputError(f"The family {name!r} needs a teacher width to fill in its '*'.")
    rest = _tidy((teacher_width - sum(known)) / stars)
    if rest < 1:
        raise InputError(
            f"The family {name!r} needs a teacher wider than {_number(teacher_width)}: "
            "each '*' is at least 1."
        )
    numbers = iter(known)
    return tuple(rest if size == "*" else next(numbers) for size in sizes)


def _tidy(size: float) -> float:
    """An ``int`` where the size is integral up to rounding."""
    nearest = round(size)
    return nearest if abs(size - nearest) <= _INTEGER_TOLERANCE * abs(size) else float(size)


def _number(size: float) -> str:
    """Digits that read back exactly, without an exponent."""
    return repr(size)
