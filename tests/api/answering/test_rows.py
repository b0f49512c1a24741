"""A result's parts as a table: columns, conditions, order, CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from relu_landscape.errors import RequestError
from relu_landscape_api.answering.rows import Row, chosen, rows_of, to_csv

ITEMS: list[dict[str, Any]] = [
    {
        "key": "m1", "kind": "minimum", "loss": 0.25, "is_global": False, "norms": [1.0, 2.0],
        "found_by": ["sampled", "structured"], "stability": {"index": 0, "spectrum": [{"x": 1}]},
        "attraction": {"interval_95": [0.1, 0.2], "hits": 3}, "widening": None,
    },
    {
        "key": "s1", "kind": "saddle", "loss": 0.5, "is_global": False, "norms": [],
        "found_by": ["structured"], "stability": {"index": "12345678901234567890"},
        "attraction": None, "widening": None,
    },
    {
        "key": "m2", "kind": "minimum", "loss": 1e-30, "is_global": True, "norms": [1.0],
        "found_by": ["sampled"], "stability": {"index": 0},
        "attraction": {"interval_95": [0.7, 0.9], "hits": 10}, "widening": None,
    },
]  # fmt: skip
ROWS = rows_of(ITEMS)
COLUMNS = [
    "key", "kind", "loss", "is_global", "found_by", "stability.index",
    "attraction.interval_95.lower", "attraction.interval_95.upper", "attraction.hits", "widening",
    "attraction",
]  # fmt: skip


def keys(**query: str) -> list[Any]:
    asked = {"where": None, "sort": None, "fields": None} | query
    return [row["key"] for row in chosen(ROWS, **asked)]


def test_every_row_has_the_same_columns() -> None:
    assert all(list(row) == COLUMNS for row in ROWS)
    assert ROWS[0]["attraction.interval_95.upper"] == 0.2
    assert ROWS[1]["attraction.hits"] is None
    assert ROWS[0]["found_by"] == "sampled;structured"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("kind=minimum", ["m1", "m2"]),
        ("kind=minimum,is_global=false", ["m1"]),
        ("found_by=structured", ["m1", "s1"]),
        ("loss=0.25", ["m1"]),
        ("loss=2.5e-1", ["m1"]),
        ("stability.index=0", ["m1", "m2"]),
        ("stability.index=12345678901234567890", ["s1"]),
        ("attraction.hits=null", ["s1"]),
        ("kind=nothing", []),
        ("loss=abc", []),
        ("is_global=1", []),
    ],
)
def test_conditions(where: str, found: list[str]) -> None:
    assert keys(where=where) == found


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("loss", ["m2", "m1", "s1"]),
        ("-loss", ["s1", "m1", "m2"]),
        ("attraction.hits", ["m1", "m2", "s1"]),
        ("-attraction.hits", ["m2", "m1", "s1"]),
        ("stability.index", ["m1", "m2", "s1"]),
        ("key", ["m1", "m2", "s1"]),
    ],
)
def test_order(sort: str, found: list[str]) -> None:
    assert keys(sort=sort) == found


def test_what_says_which_row_it_is_comes_first() -> None:
    assert list(rows_of([{"a": 1, "loss": 0.5, "b": 2, "key": "m1"}])[0]) == [
        "key", "loss", "a", "b"
    ]  # fmt: skip


def test_fields_come_in_the_order_asked_for() -> None:
    rows = chosen(ROWS, where="key=m1", sort=None, fields="loss, key")
    assert [list(row.items()) for row in rows] == [[("loss", 0.25), ("key", "m1")]]


@pytest.mark.parametrize(
    "query", [{"where": "colour=red"}, {"sort": "-colour"}, {"fields": "key,colour"}]
)
def test_a_column_that_is_none_is_refused_with_those_that_are(query: dict[str, str]) -> None:
    with pytest.raises(RequestError, match=r"colour.*one of the columns key, kind, loss"):
        keys(**query)


def test_a_condition_without_a_value_is_refused() -> None:
    with pytest.raises(RequestError, match="name=value"):
        keys(where="kind")


def test_csv_reads_back() -> None:
    text = to_csv(ROWS).decode()
    assert text.startswith("key,kind,loss,")
    back = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [float(row["loss"]) for row in back] == [0.25, 0.5, 1e-30]
    assert [row["is_global"] for row in back] == ["false", "false", "true"]
    assert back[1]["attraction.hits"] == ""


def test_csv_of_nothing_is_nothing_and_quotes_are_doubled() -> None:
    assert to_csv([]) == b""
    rows: list[Row] = [{"words": 'a "b", c'}]
    assert to_csv(rows) == b'words\r\n"a ""b"", c"\r\n'
    assert chosen([], where="x=1", sort="x", fields=None) == []
