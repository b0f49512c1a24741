"""Which jobs a list shows, and in which order: columns in memory, one row for each job.

A condition is looked at for all rows at once, so a list of a hundred thousand jobs takes
milliseconds, whatever is asked of it. Where the rows come from is another's matter
(``jobs.store.lists``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Hashable, ItemsView, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np

from relu_landscape.analyses import Registry
from relu_landscape.errors import RequestError
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.labels import Label

#: Numbers of a request that jobs are chosen by.
NUMBERS = ("student_width", "teacher_width", "seed", "input_dimension")
#: What a list can be sorted by, with a minus sign descending. Seconds are those from a job's first
#: start to its end; a job without a value comes last either way.
SORTS = ("created", "finished", "student_width", "teacher_width", "seconds")
#: So much of the words of a request can be searched.
_LONGEST_WORDS = 1000
#: From so many candidates on those that are far from the page are set aside before sorting.
_FEW = 2048

#: Digits of an id that fit a column.
_HEAD = 15
_DIGITS = re.compile("[0-9a-f]+")

Word = TypeVar("Word", bound=Hashable)
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Wanted:
    """What the jobs of a list have in common; None and empty: anything.

    ``since`` and ``until`` bound the first submission, in seconds since 1970, the latter excluded.
    ``tag``: one that ``viewer`` gave, or anybody where that is None. ``text``: in any case of
    letters in the kind, the error, the words of the request, tags and note as above, or at the
    beginning of the id. ``begins``: first digits of the id. ``sort``: one of ``SORTS``, perhaps
    with a minus sign; None: the newest first, by the order in which the store got them.
    """

    kinds: Collection[str] = ()
    states: Collection[str] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    asker: str | None = None
    tag: str | None = None
    viewer: str | None = None
    text: str | None = None
    begins: str | None = None
    since: float | None = None
    until: float | None = None
    sort: str | None = None


EVERYTHING = Wanted()


def of_kind(registry: Registry, kind: str | None, wanted: Wanted) -> Wanted:
    """The same, of this kind alone where one is given. Raises ``NotFound`` for an unknown kind."""
    for each in (*wanted.kinds, *(() if kind is None else (kind,))):
        registry.analysis(each)
    return wanted if kind is None else replace(wanted, kinds=(kind,))


@dataclass(frozen=True, slots=True)
class Row:
    """One job as lists choose it; times in seconds since 1970."""

    job: str
    sequence: int
    kind: str
    state: str
    created: float
    started: float | None = None
    finished: float | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)
    words: str = ""
    askers: frozenset[str] = frozenset()
    labels: Mapping[str, Label] = field(default_factory=dict)

    def value(self, name: str) -> float:
        """What it is sorted by; infinite: it has no such value."""
        if name == "seconds":
            both = self.started is not None and self.finished is not None
            return (self.finished or 0.0) - (self.started or 0.0) if both else math.inf
        found = self.numbers.get(name) if name in NUMBERS else getattr(self, name)
        return math.inf if found is None else float(found)


def numbers_of(request: JsonObject) -> dict[str, int]:
    """Those of ``NUMBERS`` that a request has."""
    return {name: value for name in NUMBERS if isinstance(value := request.get(name), int)}


def words_of(kind: str, error: str, request: JsonObject) -> str:
    """What ``Wanted.text`` looks through, in small letters; most jobs have one of a few."""
    return " ".join((kind, error, *_words(request))).lower()[:_LONGEST_WORDS]


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _words(each)
    elif isinstance(value, list) and value and isinstance(value[0], str | dict | list):
        for each in value:
            yield from _words(each)


class Rows:
    """Rows by job; ``select`` says which of them a list shows. For one thread."""

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        # No more of a row than its id is an object of Python's own: of a hundred thousand rows the
        # collector of garbage would make a tenth of a second, whenever it comes.
        self._jobs: list[str | None] = []
        self._free: list[int] = []
        # Few different ones for many rows: what is true of a word is looked at once for all.
        self._kinds, self._states, self._words = _Codes[str](), _Codes[str](), _Codes[str]()
        self._askers = _Codes[frozenset[str]]()
        self._labelled: dict[int, Mapping[str, Label]] = {}
        names = ("sequence", "kind", "state", "words", "askers", "head", *NUMBERS)
        self._whole: dict[str, Array] = {name: np.full(64, -1, dtype=np.int64) for name in names}
        self._real: dict[str, Array] = {
            name: np.full(64, np.inf) for name in ("created", "finished", "seconds")
        }

    def __len__(self) -> int:
        return len(self._slots)

    def put(self, row: Row) -> None:
        """Have this row in place of the one of the same job."""
        slot = self._slots.get(row.job)
        if slot is None:
            slot = self._free.pop() if self._free else self._grown()
            self._slots[row.job] = slot
        self._jobs[slot] = row.job
        self._whole["sequence"][slot] = row.sequence
        self._whole["kind"][slot] = self._kinds.of(row.kind)
        self._whole["state"][slot] = self._states.of(row.state)
        self._whole["words"][slot] = self._words.of(row.words)
        self._whole["askers"][slot] = self._askers.of(row.askers)
        self._whole["head"][slot] = _head(row.job)
        self._labelled.pop(slot, None)
        if row.labels:
            self._labelled[slot] = row.labels
        for name in NUMBERS:
            self._whole[name][slot] = row.numbers.get(name, -1)
        for name, column in self._real.items():
            column[slot] = row.value(name)

    def drop(self, job: str) -> None:
        """Have no row of this job."""
        slot = self._slots.pop(job, None)
        if slot is not None:
            self._jobs[slot] = None
            self._labelled.pop(slot, None)
            self._whole["sequence"][slot] = -1
            self._free.append(slot)

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state that occurs."""
        states = self._whole["state"][: len(self._jobs)][self._here()]
        return {
            name: int(count)
            for name, code in self._states.items()
            if (count := np.count_nonzero(states == code))
        }

    def select(
        self, wanted: Wanted, cursor: str | None, limit: int
    ) -> tuple[list[str], str | None]:
        """The jobs of one page, and the cursor of the next; None: there is none.

        Raises ``RequestError`` for a cursor that no such list gave.
        """
        after = _read_cursor(cursor, wanted.sort)
        slots = self._fitting(wanted)
        keys = self._keys(slots, wanted.sort)
        newest = -self._whole["sequence"][slots]
        if after is not None:
            key, sequence = after
            behind = (keys > key) | ((keys == key) & (newest > -sequence))
            slots, keys, newest = slots[behind], keys[behind], newest[behind]
        if len(slots) > max(_FEW, limit + 1):
            near = keys <= np.partition(keys, limit)[limit]
            slots, keys, newest = slots[near], keys[near], newest[near]
        order = np.lexsort((newest, keys))[: limit + 1]
        page = [job for each in slots[order[:limit]] if (job := self._jobs[each]) is not None]
        if len(order) <= limit:
            return page, None
        last = order[limit - 1]
        return page, _written_cursor(float(keys[last]), int(-newest[last]), wanted.sort)

    def _keys(self, slots: Array, sort: str | None) -> Array:
        """What the rows are ordered by first, ascending; infinite for those without a value."""
        if sort is None:
            return -self._whole["sequence"][slots].astype(float)
        name, sign = sort.removeprefix("-"), -1.0 if sort.startswith("-") else 1.0
        if name in self._real:
            values = self._real[name][slots]
        else:
            whole = self._whole[name][slots]
            values = np.where(whole < 0, np.inf, whole.astype(float))
        return np.where(np.isinf(values), np.inf, sign * values)

    def _fitting(self, wanted: Wanted) -> Array:
        mask = self._here()
        count = len(self._jobs)
        if wanted.kinds:
            mask &= self._kinds.mask(self._whole["kind"][:count], wanted.kinds.__contains__)
        if wanted.states:
            mask &= self._states.mask(self._whole["state"][:count], wanted.states.__contains__)
        if wanted.asker is not None:
            asker = wanted.asker
            mask &= self._askers.mask(self._whole["askers"][:count], lambda names: asker in names)
        for name, value in wanted.numbers.items():
            mask &= self._whole[name][:count] == value
        created = self._real["created"][:count]
        if wanted.since is not None:
            mask &= created >= wanted.since
        if wanted.until is not None:
            mask &= created < wanted.until
        if wanted.begins is not None:
            mask &= self._beginning(wanted.begins)
        if wanted.tag is not None:
            tag = wanted.tag
            mask &= self._said(wanted.viewer, lambda label: tag in label.tags)
        if wanted.text is not None:
            mask &= self._saying(wanted.text.lower(), wanted.viewer)
        return np.flatnonzero(mask)

    def _saying(self, text: str, viewer: str | None) -> Array:
        """The rows in which this text occurs."""
        words = self._whole["words"][: len(self._jobs)]
        found = self._words.mask(words, lambda each: text in each)
        found |= self._said(viewer, lambda label: text in _spoken(label))
        return found | self._beginning(text)

    def _said(self, viewer: str | None, holds: Callable[[Label], bool]) -> Array:
        """The rows of which ``viewer`` (None: anybody) said something for which this holds."""
        found = np.zeros(len(self._jobs), dtype=bool)
        for slot, labels in self._labelled.items():
            if viewer is None:
                found[slot] = any(map(holds, labels.values()))
            elif viewer in labels:
                found[slot] = holds(labels[viewer])
        return found

    def _beginning(self, digits: str) -> Array:
        """The rows whose id begins with these digits."""
        if not _DIGITS.fullmatch(digits):
            return np.zeros(len(self._jobs), dtype=bool)
        heads = self._whole["head"][: len(self._jobs)]
        known = digits[:_HEAD]
        room = 1 << 4 * (_HEAD - len(known))
        first = int(known, 16) * room
        found = (heads >= first) & (heads < first + room)
        for slot in np.flatnonzero(found).tolist() if len(digits) > _HEAD else ():
            job = self._jobs[slot]
            found[slot] = job is not None and job.startswith(digits)
        return found

    def _here(self) -> Array:
        here: Array = self._whole["sequence"][: len(self._jobs)] >= 0
        return here

    def _grown(self) -> int:
        slot = len(self._jobs)
        self._jobs.append(None)
        if slot == len(self._whole["sequence"]):
            for columns, empty in ((self._whole, -1), (self._real, np.inf)):
                for name, column in columns.items():
                    columns[name] = np.concatenate((column, np.full(slot, empty, column.dtype)))
        return slot


class _Codes(Generic[Word]):
    """Numbers for words, from 0."""

    def __init__(self) -> None:
        self._known: dict[Word, int] = {}

    def of(self, word: Word) -> int:
        """The number of this one, a new one if need be."""
        return self._known.setdefault(word, len(self._known))

    def items(self) -> ItemsView[Word, int]:
        """Every word with its number."""
        return self._known.items()

    def mask(self, column: Array, holds: Callable[[Word], bool]) -> Array:
        """Where in a column of such numbers the word is one for which this holds; -1: nowhere."""
        table = np.zeros(len(self._known) + 1, dtype=bool)
        for word, code in self._known.items():
            table[code] = holds(word)
        found: Array = table[column]
        return found


def _spoken(label: Label) -> str:
    return "\n".join((*label.tags, label.note or "")).lower()


def _head(job: str) -> int:
    """The first digits of an id as a number; -1 of what is none."""
    return int(job[:_HEAD].ljust(_HEAD, "0"), 16) if _DIGITS.fullmatch(job) else -1


def _written_cursor(key: float, sequence: int, sort: str | None) -> str:
    return str(sequence) if sort is None else f"{sort}_{key!r}_{sequence}"


def _read_cursor(cursor: str | None, sort: str | None) -> tuple[float, int] | None:
    if cursor is None:
        return None
    try:
        if not cursor.isascii():
            raise ValueError(cursor)
        if sort is None:
            if not (cursor.isdecimal() and len(cursor) <= 16):
                raise ValueError(cursor)
            return -float(cursor), int(cursor)
        if not cursor.startswith(f"{sort}_"):
            raise ValueError(cursor)
        key, _, sequence = cursor.removeprefix(f"{sort}_").partition("_")
        if not (sequence.isdecimal() and len(sequence) <= 16) or math.isnan(float(key)):
            raise ValueError(cursor)
        return float(key), int(sequence)
    except ValueError:
        raise RequestError("cursor", cursor, "the next_cursor of an earlier page") from None
