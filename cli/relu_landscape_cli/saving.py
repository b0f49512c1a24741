"""Landscapes into files, by the ending of the name: .json, .npz or .csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from relu_landscape.errors import InputError

if TYPE_CHECKING:
    from relu_landscape_client import Landscape

ENDINGS = (".json", ".npz", ".csv")


def check(path: Path, endings: Sequence[str] = ENDINGS) -> None:
    """Refuse a file that could not be written, before an hour is spent on what goes into it."""
    if path.suffix.lower() not in endings:
        several = "one of " if len(endings) > 1 else ""
        raise InputError(f"{path}: the name must end in {several}{', '.join(endings)}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.absolute().parent}")


def save(landscape: Landscape, path: Path) -> None:
    """Write ``landscape`` in the format that the name's ending says."""
    check(path)
    kind = path.suffix.lower()
    if kind == ".json":
        landscape.to_json(path)
    elif kind == ".npz":
        landscape.to_npz(path)
    else:
        _write_csv(landscape, path)


def _write_csv(landscape: Landscape, path: Path) -> None:
    """A line per fixed point; floats with as many digits as read back to the same double."""
    rows = [point.row() for point in landscape.fixed_points]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0] if rows else ["key"])
        writer.writerows(each.values() for each in rows)
