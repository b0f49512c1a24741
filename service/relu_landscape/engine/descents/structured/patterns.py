"""Patterns: how students, teachers and directions beside them fall into blocks that move together.

The problem is left alone by permutations of students of equal second-layer weights, of teachers of
equal ones, and by every turn of the inputs beside the teacher's span. A pattern is a subgroup: a
product of symmetric groups, each of which permutes the members of a few blocks together. What it
leaves fixed is a space of few dimensions whatever the widths are (``table``), and by symmetric
criticality (Palais 1979) a critical point of the loss on that space, under a constraint or not, is
one of the whole problem.

* A ``Group`` has a size p of 2 or more, blocks of p students, and blocks of p *axes*: teachers, or
  directions beside the teacher's span, which are teachers of weight zero. Each student has one axis
  of each block that is its own.
* A ``Single`` is a student that the group leaves alone, or so many students that are kept equal
  (students of norm 1 alone: without that constraint they are one student split in parts).
* Axes are single as well.

Names: blocks joined by ``+``, each as ``size`` or, with other numbers of student blocks than one,
``size x count`` as in ``families.structures``; weights stand behind where they differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, combinations_with_replacement, product

#: Size and colour of a block of axes.
Block = tuple[int, int]

#: Blocks of several teachers that students go with, at most, and blocks that none goes with; and
#: teachers apart from both.
MOST_SERVED, MOST_ALONE, MOST_APART = 2, 2, 2
#: Students apart beyond the axes apart, at most: more of them mostly end as one split in parts.
MOST_EXTRA = 2
#: So many students may stand apart in any case.
ALWAYS = 4
#: Student blocks in one group, at most.
MOST_TOGETHER = 2
#: Unknowns of a pattern with a rarity, at most.
MOST_RARE_UNKNOWNS = 8
#: All of the teacher's span is searched where it has no more unknowns.
WHOLE = 12
#: Unknowns of a pattern, at most.
MOST_UNKNOWNS = 24


@dataclass(frozen=True, order=True)
class Group:
    """So many units of each block are permuted together; colours of its blocks of students and of
    axes. One without students: teachers that all students see alike."""

    size: int
    students: tuple[int, ...]
    axes: tuple[int, ...]


@dataclass(frozen=True, order=True)
class Single:
    """Students of this colour that are equal: one, or ``copies`` of norm 1."""

    colour: int
    copies: int = 1


@dataclass(frozen=True)
class Pattern:
    """A subgroup; ``axes``: colours of single axes."""

    groups: tuple[Group, ...]
    singles: tuple[Single, ...]
    axes: tuple[int, ...]

    @property
    def blocks(self) -> int:
        """Blocks of axes."""
        return len(self.axes) + sum(len(group.axes) for group in self.groups)

    @cached_property
    def unknowns(self) -> int:
        """Dimension of what it leaves fixed."""
        students = len(self.singles) + sum(len(group.students) for group in self.groups)
        natural = sum(len(group.students) * len(group.axes) for group in self.groups)
        return students * self.blocks + natural

    @property
    def has_room(self) -> bool:
        """Whether orthonormal students have room in what it leaves fixed: no more blocks of
        students than of axes, in all and in every group."""
        if any(each.copies > 1 for each in self.singles):
            return False
        students = len(self.singles) + sum(len(group.students) for group in self.groups)
        return students <= self.blocks and all(
            len(group.students) <= len(group.axes) for group in self.groups
        )

    @property
    def is_symmetric(self) -> bool:
        """Whether the subgroup is more than the identity."""
        return bool(self.groups) or any(each.copies > 1 for each in self.singles)


@dataclass(frozen=True)
class Counts:
    """How many students and axes of each colour there are; ``beside``: the colour of directions
    beside the teacher's span, or None, and how many there may be."""

    students: tuple[int, ...]
    teachers: tuple[int, ...]
    most_beside: int = 0
    may_coincide: bool = False
    is_orthonormal: bool = False

    @property
    def needs_beside(self) -> bool:
        """Whether students cannot do without directions beside the span."""
        return self.is_orthonormal and sum(self.students) > sum(self.teachers)

    @property
    def beside(self) -> int:
        """Colour of directions beside the span."""
        return len(self.teachers)


@lru_cache(maxsize=64)
def patterns_of(counts: Counts) -> tuple[Pattern, ...]:
    """All patterns that are searched, those of fewer unknowns first.

    Teachers: up to ``MOST_SERVED`` blocks with one or two blocks of students, up to ``MOST_ALONE``
    without, up to ``MOST_APART`` apart. Beside the span: nothing; one direction; where there are
    more students than teachers as many as that, in one block; and as many as a block of students
    has, each its own.
    """
    found: set[Pattern] = set()
    for beside in _directions(counts):
        for axes in _axes(counts, beside):
            found.update(_served(counts, axes))
    kept = [each for each in found if _is_searched(each, counts)]
    whole = _whole(counts)
    if whole not in kept and whole.unknowns <= WHOLE:
        kept.append(whole)
    return tuple(sorted(kept, key=lambda each: _rank(each, counts)))


def _whole(counts: Counts) -> Pattern:
    """No symmetry at all, in the teacher's span."""
    students = [Single(colour) for colour, n in enumerate(counts.students) for _ in range(n)]
    axes = [colour for colour, n in enumerate(counts.teachers) for _ in range(n)]
    return Pattern((), tuple(students), tuple(axes))


def _is_searched(pattern: Pattern, counts: Counts) -> bool:
    """Few enough unknowns, room for orthonormal students; and one rarity at most, with few
    unknowns."""
    if pattern.unknowns > MOST_UNKNOWNS or not pattern.is_symmetric:
        return False
    if counts.is_orthonormal and not pattern.has_room:
        return False
    rarities = _rarities(pattern, counts)
    return not rarities or (rarities == 1 and pattern.unknowns <= MOST_RARE_UNKNOWNS)


def _rarities(pattern: Pattern, counts: Counts) -> int:
    """How much it has of what brings few points that no other pattern has.

    Directions beside the span, but for those that orthonormal students cannot do without; two
    blocks of axes in one group; students that coincide; and, where there are students for all
    teachers, teachers that all students see alike.
    """
    beside = [*pattern.axes, *(c for group in pattern.groups for c in group.axes)]
    together = sum(len(group.axes) > 1 for group in pattern.groups)
    K, M = sum(counts.students), sum(counts.teachers)
    found = together + sum(each.copies > 1 for each in pattern.singles)
    if K >= M and len(counts.students) == len(counts.teachers) == 1:
        found += sum(not group.students for group in pattern.groups)
    return found + (counts.beside in beside and not together and not counts.needs_beside)


def _rank(pattern: Pattern, counts: Counts) -> tuple[object, ...]:
    return (
        _rarities(pattern, counts), pattern.unknowns, pattern.groups, pattern.singles, pattern.axes,
    )  # fmt: skip


def _directions(counts: Counts) -> list[int]:
    """How many directions beside the span are looked at."""
    K, M = sum(counts.students), sum(counts.teachers)
    most = min(counts.most_beside, K)
    wanted = {0, 1, K - M} | set(range(2, max(counts.students) + 1))
    least = K - M if counts.is_orthonormal else 0
    return sorted(each for each in wanted if max(0, least) <= each <= most)


def _axes(counts: Counts, beside: int) -> Iterator[tuple[Block, ...]]:
    """Blocks of all axes."""
    ways = [
        [tuple((size, colour) for size in part) for part in _partitions(number)]
        for colour, number in enumerate(counts.teachers)
    ]
    if beside:
        ways.append([((beside, counts.beside),)])
    for chosen in product(*ways):
        blocks = tuple(sorted(block for part in chosen for block in part))
        apart = sum(size == 1 for size, _ in blocks)
        # Every block of axes has an unknown with every block of students, of which there is one of
        # each colour at least.
        fewest = len(blocks) * sum(number > 0 for number in counts.students)
        most = MOST_RARE_UNKNOWNS if beside and not counts.needs_beside else MOST_UNKNOWNS
        together = len(blocks) - apart
        if apart <= MOST_APART and fewest <= most and together <= MOST_SERVED + MOST_ALONE:
            yield blocks


def _partitions(number: int) -> Iterator[tuple[int, ...]]:
    """Into one, two and three parts, ascending."""
    yield (number,)
    for p in range(1, number // 2 + 1):
        yield (p, number - p)
    for p in range(1, number // 3 + 1):
        for q in range(p, (number - p) // 2 + 1):
            yield (p, q, number - p - q)


def _served(counts: Counts, blocks: tuple[Block, ...]) -> Iterator[Pattern]:
    """Every way in which students go with these blocks."""
    single = tuple(sorted(colour for size, colour in blocks if size == 1))
    for joined in _joined([block for block in blocks if block[0] > 1]):
        for chosen, left in _dealt(counts, joined, counts.students):
            groups = tuple(sorted(chosen))
            served = sum(bool(group.students) for group in groups)
            if served > MOST_SERVED or len(groups) - served > MOST_ALONE:
                continue
            most = max(len(single) + MOST_EXTRA, ALWAYS)
            for singles in _singles(counts, left, most):
                yield Pattern(groups, singles, single)


def _dealt(
    counts: Counts, joined: Sequence[tuple[int, tuple[int, ...]]], left: tuple[int, ...]
) -> Iterator[tuple[tuple[Group, ...], tuple[int, ...]]]:
    """Students for each of these groups, of so many that are left of each colour; and what then
    is."""
    if not joined:
        yield (), left
        return
    size, axes = joined[0]
    for students in _students(counts, size, axes):
        rest = tuple(n - size * students.count(c) for c, n in enumerate(left))
        if min(rest) >= 0:
            for groups, remaining in _dealt(counts, joined[1:], rest):
                yield (Group(size, students, axes), *groups), remaining


def _joined(blocks: list[Block]) -> Iterator[list[tuple[int, tuple[int, ...]]]]:
    """Blocks as groups of their own, and two of one size as one group."""
    yield [(size, (colour,)) for size, colour in blocks]
    for i, j in combinations(range(len(blocks)), 2):
        if blocks[i][0] == blocks[j][0]:
            rest = [block for n, block in enumerate(blocks) if n not in (i, j)]
            pair = tuple(sorted((blocks[i][1], blocks[j][1])))
            yield [(blocks[i][0], pair), *((size, (colour,)) for size, colour in rest)]


def _students(counts: Counts, size: int, axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Colours of the student blocks that may go with so many axes of these colours.

    Two blocks of axes, or directions beside the span, without students of their own are seen as
    one by all students: what they would add is in another pattern.
    """
    least = 1 if len(axes) > 1 or counts.beside in axes else 0
    return [
        chosen
        for number in range(least, MOST_TOGETHER + 1)
        for chosen in combinations_with_replacement(range(len(counts.students)), number)
        if all(size * chosen.count(c) <= n for c, n in enumerate(counts.students))
    ]


def _singles(counts: Counts, left: Sequence[int], most: int) -> Iterator[tuple[Single, ...]]:
    """Every way in which the students that are left stand apart."""
    ways: list[list[tuple[int, ...]]] = []
    for number in left:
        alone: list[tuple[int, ...]] = [(1,) * number]
        if counts.may_coincide and number > 1:
            alone += [(number,), *((p, number - p) for p in range(1, number // 2 + 1))]
        ways.append(sorted(set(alone)))
    for chosen in product(*ways):
        found = tuple(
            Single(colour, copies) for colour, part in enumerate(chosen) for copies in part
        )
        if len(found) <= most:
            yield found
