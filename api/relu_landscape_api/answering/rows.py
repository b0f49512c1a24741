"""The parts of a result as a table: a row for each, a column for each number or word.

What is nested has a dotted name (``stability.index``), a pair of bounds one column for each
(``attraction.interval_95.lower``), a list of words one with semicolons. Lists of numbers, matrices
and lists of objects are no table's matter and left out: the part in full has them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from relu_landscape.errors import RequestError

Cell: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, Cell]
#: Columns that say which row it is; the others follow in the result's own order.
FIRST = ("key", "kind", "loss")
#: What a column may be compared with beside numbers and words.
_WORDS = {"true": True, "false": False, "null": None}


def rows_of(items: Sequence[Mapping[str, Any]]) -> list[Row]:
    """A row per item, all with the same columns in the same order; what one lacks is None."""
    found = [dict(_cells("", each)) for each in items]
    named = list(dict.fromkeys(name for row in found for name in row))
    columns = sorted(named, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return [{name: row.get(name) for name in columns} for row in found]


def _cells(prefix: str, item: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for name, value in item.items():
        yield from _cell(prefix + name, value)


def _cell(name: str, value: Any) -> Iterator[tuple[str, Cell]]:
    if isinstance(value, dict):
        yield from _cells(f"{name}.", value)
    elif not isinstance(value, list):
        yield name, value
    elif value and all(isinstance(each, str) for each in value):
        yield name, ";".join(value)
    elif name.rpartition(".")[2].startswith("interval") and len(value) == 2:
        yield f"{name}.lower", value[0]
        yield f"{name}.upper", value[1]


def chosen(
    rows: Sequence[Row], *, where: str | None, sort: str | None, fields: str | None
) -> list[Row]:
    """The rows that ``where`` lets through, in the order of ``sort``, with the columns ``fields``.

    ``where``: ``name=value``, several with commas, all of which must hold. ``sort``: a column's
    name, with a minus sign descending; rows without a value come last. ``fields``: names with
    commas, in the order of the answer. Raises ``RequestError`` for a column that there is not.
    """
    columns = list(rows[0]) if rows else []
    kept = list(rows)
    for name, value in _conditions(where):
        _check("where", name, columns)
        kept = [row for row in kept if _equals(row[name], value)]
    if sort is not None:
        name = sort.removeprefix("-")
        _check("sort", name, columns)
        present = sorted(
            (row for row in kept if row[name] is not None),
            key=lambda row: _rank(row[name]),
            reverse=sort.startswith("-"),
        )
        kept = present + [row for row in kept if row[name] is None]
    if fields is None:
        return kept
    names = [name.strip() for name in fields.split(",")]
    for name in names:
        _check("fields", name, columns)
    return [{name: row[name] for name in names} for row in kept]


def _conditions(where: str | None) -> Iterator[tuple[str, str]]:
    for each in [] if where is None else where.split(","):
        name, equals, value = each.partition("=")
        if not equals:
            raise RequestError("where", where, "name=value, several of them with commas")
        yield name.strip(), value.strip()


def _check(field: str, name: str, columns: Sequence[str]) -> None:
    # Without a row there is no column to be wrong about.
    if columns and name not in columns:
        raise RequestError(field, name, f"one of the columns {', '.join(columns)}")


def _equals(cell: Cell, wanted: str) -> bool:
    if wanted in _WORDS and not isinstance(cell, str):
        return cell is _WORDS[wanted]
    if isinstance(cell, str):
        return cell == wanted or wanted in cell.split(";")
    if cell is None or isinstance(cell, bool):
        return False
    try:
        return float(cell) == float(wanted)
    except (ValueError, OverflowError):
        return False


def _rank(cell: Cell) -> tuple[bool, float, str]:
    """Numbers before words, each among their own."""
    if isinstance(cell, str):
        return True, 0.0, cell
    return False, float(cell or 0), ""


def to_csv(rows: Sequence[Row]) -> bytes:
    """RFC 4180, UTF-8, with a header; an empty cell is null, booleans are true and false."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(rows[0])
        writer.writerows([_written(cell) for cell in row.values()] for row in rows)
    return text.getvalue().encode()


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return repr(cell) if isinstance(cell, float) else str(cell)
