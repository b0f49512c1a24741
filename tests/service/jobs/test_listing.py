"""Which jobs a list shows, beside a plain reading of every row, one after the other."""

from __future__ import annotations

import gc
import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from relu_landscape.errors import RequestError
from relu_landscape.jobs.listing import (
    EVERYTHING,
    NUMBERS,
    SORTS,
    Row,
    Rows,
    Wanted,
    numbers_of,
    words_of,
)
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.labels import Label

KINDS = ("landscape", "sweep", "trajectory")
STATES = ("queued", "running", "finished", "failed")
PEOPLE = ("anna", "bob", "anyone")


def some_row(draw: random.Random, number: int) -> Row:
    created = draw.choice([100.0, 200.0, 300.5])
    started = draw.choice([None, created + draw.choice([0.0, 1.0])])
    over = started is not None and draw.random() < 0.7
    labels = {
        who: Label(who=who, tags=draw.sample(["red", "blue"], draw.randint(0, 2)), note="Für K=3")
        for who in PEOPLE
        if draw.random() < 0.3
    }
    return Row(
        job=f"{draw.randrange(16):x}{number:063x}",
        sequence=number,
        kind=draw.choice(KINDS),
        state=draw.choice(STATES),
        created=created,
        started=started,
        finished=(started or 0.0) + draw.choice([0.5, 2.0, 2.0]) if over else None,
        numbers={name: draw.randrange(3) for name in NUMBERS if draw.random() < 0.8},
        words=draw.choice(["a 1+6 landscape", "no memory left", ""]),
        askers=frozenset(draw.sample(PEOPLE, draw.randint(0, 2))),
        labels=labels,
    )


def some_wanted(draw: random.Random) -> Wanted:
    def perhaps(value: object) -> object:
        return value if draw.random() < 0.25 else None

    names = draw.sample(NUMBERS, draw.choice([0, 0, 1, 2]))
    sort = draw.choice([None, *SORTS])
    return Wanted(
        kinds=draw.choice([(), (), ("sweep",), ("sweep", "landscape"), ("nothing",)]),
        states=draw.choice([(), (), ("finished",), ("failed", "queued")]),
        numbers={name: draw.randrange(3) for name in names},
        asker=perhaps(draw.choice(PEOPLE)),  # type: ignore[arg-type]
        tag=perhaps("red"),  # type: ignore[arg-type]
        viewer=draw.choice([None, *PEOPLE]),
        text=perhaps(draw.choice(["1+6", "MEMORY", "für", "blue", "7"])),  # type: ignore[arg-type]
        begins=perhaps(f"{draw.randrange(16):x}"),  # type: ignore[arg-type]
        since=perhaps(200.0),  # type: ignore[arg-type]
        until=perhaps(300.5),  # type: ignore[arg-type]
        sort=draw.choice(["", "-"]) + sort if sort else None,
    )


def expected(rows: list[Row], wanted: Wanted) -> list[str]:
    """By the words of ``Wanted``, without an array."""

    def said(row: Row) -> Iterator[str]:
        yield row.words
        for who, label in row.labels.items():
            if wanted.viewer in (None, who):
                yield from label.tags
                yield label.note or ""

    def fits(row: Row) -> bool:
        seen = [x for who, x in row.labels.items() if wanted.viewer in (None, who)]
        return all((
            not wanted.kinds or row.kind in wanted.kinds,
            not wanted.states or row.state in wanted.states,
            all(row.numbers.get(name) == value for name, value in wanted.numbers.items()),
            wanted.asker is None or wanted.asker in row.askers,
            wanted.tag is None or wanted.tag in itertools.chain(*(x.tags for x in seen)),
            wanted.text is None or row.job.startswith(wanted.text)
            or any(wanted.text.lower() in x.lower() for x in said(row)),
            wanted.begins is None or row.job.startswith(wanted.begins),
            wanted.since is None or row.created >= wanted.since,
            wanted.until is None or row.created < wanted.until,
        ))  # fmt: skip

    def value(row: Row) -> float | None:
        name = (wanted.sort or "").removeprefix("-")
        if name == "seconds":
            whole = row.started is not None and row.finished is not None
            return (row.finished or 0) - (row.started or 0) if whole else None
        if name in ("created", "finished"):
            return row.created if name == "created" else row.finished
        return row.numbers.get(name)

    found = sorted((row for row in rows if fits(row)), key=lambda row: -row.sequence)
    if wanted.sort is None:
        return [row.job for row in found]
    having = [row for row in found if value(row) is not None]
    sign = -1 if wanted.sort.startswith("-") else 1
    having.sort(key=lambda row: sign * (value(row) or 0))
    return [row.job for row in (*having, *(row for row in found if value(row) is None))]


def paged(rows: Rows, wanted: Wanted, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page, cursor = rows.select(wanted, cursor, limit)
        assert len(page) == limit or cursor is None
        found += page
        if cursor is None:
            return found


@pytest.mark.parametrize("seed", range(8))
def test_pages_are_those_of_a_plain_reading(seed: int) -> None:
    draw = random.Random(seed)
    rows, table = Rows(), dict[str, Row]()
    for number in range(300):
        row = some_row(draw, number)
        table[row.job] = row
        rows.put(row)
        if draw.random() < 0.2:  # one changes, one goes
            other = draw.choice(list(table.values()))
            table[other.job] = replace(some_row(draw, 0), job=other.job, sequence=other.sequence)
            rows.put(table[other.job])
            gone = draw.choice(list(table))
            rows.drop(gone)
            del table[gone]
    rows.drop("unknown")
    assert len(rows) == len(table)
    states = [row.state for row in table.values()]
    assert rows.counts() == {state: states.count(state) for state in STATES if state in states}
    sizes = set[int]()
    for _ in range(150):
        wanted = some_wanted(draw)
        wanted_jobs = expected(list(table.values()), wanted)
        assert paged(rows, wanted, draw.choice([1, 7, 50])) == wanted_jobs, wanted
        sizes.add(min(3, len(wanted_jobs)))
    assert sizes == {0, 1, 2, 3}  # neither all empty nor all full


def test_many_more_than_a_page_are_not_all_sorted_and_none_is_missed() -> None:
    """From some thousands on, what is far from the page is set aside; ties are not."""
    rows, table = Rows(), list[Row]()
    for number in range(5000):
        whole = {"student_width": number % 7} if number % 11 else {}
        table.append(Row(f"{number:064x}", number, "sweep", "queued", 1.0, numbers=whole))
        rows.put(table[-1])
    for sort in (None, "student_width", "-student_width", "created", "-seconds"):
        wanted = Wanted(sort=sort)
        assert paged(rows, wanted, 200) == expected(table, wanted)


def test_an_id_is_found_by_any_number_of_its_digits() -> None:
    rows = Rows()
    ids = [f"{'0123456789abcdef' * 4}", f"{'0123456789abcdef' * 3}0123456789abcdee", "f" * 64]
    for number, job in enumerate(ids):
        rows.put(Row(job, number, "sweep", "queued", 1.0))
    for digits, count in (("0", 2), (ids[0][:15], 2), (ids[0][:16], 2), (ids[0], 1), ("f" * 16, 1)):
        for wanted in (Wanted(begins=digits), Wanted(text=digits)):
            assert rows.select(wanted, None, 9)[0] == [
                job for job in reversed(ids) if job.startswith(digits)
            ]
            assert len(rows.select(wanted, None, 9)[0]) == count
    assert rows.select(Wanted(begins="x"), None, 9) == ([], None)


def test_what_is_submitted_while_somebody_pages_is_on_no_later_page() -> None:
    rows = Rows()
    for number in range(4):
        rows.put(Row(f"{number}", number, "sweep", "queued", 1.0))
    first, cursor = rows.select(EVERYTHING, None, 2)
    rows.put(Row("new", 9, "sweep", "queued", 2.0))
    rows.drop("1")
    second, last = rows.select(EVERYTHING, cursor, 2)
    assert (first, second, last) == (["3", "2"], ["0"], None)


@pytest.mark.parametrize(
    ("cursor", "sort"),
    [
        ("x", None), ("-1", None), ("٣", None), ("1" * 17, None), ("seconds_1.0_3", None),
        ("3", "seconds"), ("-seconds_1.0_3", "seconds"), ("seconds_nan_3", "seconds"),
        ("seconds_1.0_", "seconds"), ("seconds_1.0_x", "seconds"), ("seconds_١_3", "seconds"),
    ],
)  # fmt: skip
def test_a_cursor_of_no_such_list_is_refused(cursor: str, sort: str | None) -> None:
    with pytest.raises(RequestError, match="next_cursor"):
        Rows().select(Wanted(sort=sort), cursor, 3)


def test_rows_say_of_a_request_what_it_is_searched_by() -> None:
    request: JsonObject = {
        "student_width": 7, "teacher_width": 6, "seed": 2**53 - 1, "starts": 5, "leak": 0.5,
        "structures": ["1+6", "S7"], "teacher_gram": [[1.0, 2.0]], "reduced": {"kind": "Block"},
    }  # fmt: skip
    assert numbers_of(request) == {
        "student_width": 7, "teacher_width": 6, "seed": 2**53 - 1,
    }  # fmt: skip
    assert words_of("landscape", "No Memory.", request) == "landscape no memory. 1+6 s7 block"
    assert Row("a", 1, "k", "queued", 1.0).value("seconds") == math.inf


def followed(root: object) -> int:
    """How many objects the collector of garbage follows to find all that hangs on this one."""
    seen, waiting = set[int](), [root]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not gc.is_tracked(each) or isinstance(each, type):
            continue
        seen.add(id(each))
        waiting += gc.get_referents(each)
    return len(seen)


def test_a_row_is_nothing_for_the_collector_of_garbage_to_follow() -> None:
    """A hundred thousand rows, each of several objects, once held the event loop for 0.1 s."""
    draw, rows = random.Random(7), Rows()
    for number in range(1_000):
        rows.put(replace(some_row(draw, number), labels={}))
    before = followed(rows)
    for number in range(1_000, 2_000):
        rows.put(replace(some_row(draw, number), labels={}))
    assert followed(rows) - before < 100
