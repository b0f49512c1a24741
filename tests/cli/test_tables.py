"""Tables at the widths that people have: nothing is cut, and what is left out is said."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from relu_landscape_cli.fitting import Column, fit
from relu_landscape_cli.matrices import by_blocks
from tests.cli.conftest import Command
from tests.cli.test_commands import submit
from tests.clients.samples import REQUEST
from tests.clients.served import Served
from tests.house.repository import ROOT

#: A landscape of 7 students with eleven fixed points, as the page shows it first.
EXAMPLE = ROOT / "api/relu_landscape_api/explorer/example.json"


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """So many columns, as a terminal or a person says to a pipe."""
    request.getfixturevalue("command")  # which sets a width of its own
    width = int(request.param)
    monkeypatch.setenv("COLUMNS", str(width))
    return width


def _column(heading: str, width: int, dropped: int, short: int | None = None) -> Column:
    return Column(heading, ["x" * width], dropped, None if short is None else ["x" * short])


def test_what_has_no_room_is_shortened_then_dropped_by_priority() -> None:
    table = [_column("a", 10, 0), _column("b", 10, 2, 4), _column("c", 10, 1, 6)]
    sizes = {
        width: {each.heading: each.width for each in fit(table, width)}
        for width in (34, 33, 27, 24, 23, 18, 17, 1)
    }
    assert sizes[34] == {"a": 10, "b": 10, "c": 10}
    assert sizes[33] == {"a": 10, "b": 4, "c": 10}  # what would go first is shortened first
    assert sizes[27] == sizes[24] == {"a": 10, "b": 4, "c": 6}
    assert sizes[23] == sizes[18] == {"a": 10, "c": 6}
    assert sizes[17] == sizes[1] == {"a": 10}  # and folds where even that is too wide


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 118, 200], indirect=True)
@pytest.mark.parametrize("words", [(), ("m2",), ("s4",)], ids=["landscape", "blocks", "entries"])
def test_a_landscape_fits_any_width(command: Command, columns: int, words: tuple[str, ...]) -> None:
    """At 80 columns keys were "…", and structure and proof had no cell at all."""
    text = command("show", EXAMPLE, *words).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text


@pytest.mark.parametrize("columns", [80], indirect=True)
@pytest.mark.usefixtures("columns")
def test_eighty_columns_show_what_matters_and_say_what_is_left_out(command: Command) -> None:
    lines = command("show", EXAMPLE).stdout.splitlines()
    assert lines[1].split() == ["key", "structure", "loss", "kind", "index", "%", "of", "starts",
                                "proof"]  # fmt: skip
    rows = {line.split()[0]: line.split()[1:] for line in lines[3:14]}
    landscape = json.loads(EXAMPLE.read_text())
    assert list(rows) == [point["key"] for point in landscape["fixed_points"]]
    assert rows["m2"] == ["1+6", "0.0232027", "minimum", "0", "4.15", "yes"]
    assert rows["s4"] == ["irregular", "1+6", "on", "1+6", "0.0481749", "saddle", "2", "–", "yes"]
    assert lines[-1].startswith("no room for: smallest eigenvalue;")


def test_a_pipe_without_columns_has_every_column_in_full(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = command("show", EXAMPLE).stdout
    assert "0.0232027149136" in text
    assert "4.15 (3.36–5.12)" in text
    assert "0.014059" in text
    assert "no room" not in text


@pytest.mark.parametrize("columns", [60, 80], indirect=True)
def test_other_tables_fit_as_well(
    command: Command, server: Served, columns: int, tmp_path: Path
) -> None:
    submit(server, REQUEST)
    for words in (
        ("list", "--server", server.url),
        ("families", "1+6", 7, "--server", server.url),
        ("families", "1+*", 5.5, "--to", 7, "--server", server.url),
        ("verify", EXAMPLE),
    ):
        text = command(*words).stdout
        assert max(map(len, text.splitlines())) <= columns
        assert "…" not in text


def _blocks(rows: list[int], columns: list[int], seed: int) -> np.ndarray:
    """A matrix with such blocks: in each a number on the diagonal and one off it."""
    draw = random.Random(seed)
    return np.vstack([
        np.hstack([
            np.full((m, n), draw.uniform(-1, 1))
            + (np.eye(m) * draw.uniform(-1, 1) if m == n else 0.0)
            for n in columns
        ])
        for m in rows
    ])  # fmt: skip


@pytest.mark.parametrize(("rows", "columns"), [([1, 6], [1, 6]), ([2, 3, 1], [3, 3]), ([4], [4])])
def test_blocks_say_every_entry_to_the_digits_shown(rows: list[int], columns: list[int]) -> None:
    """Written out again, the cells give the matrix; half of the last digit, 5e-5, is lost."""
    matrix = _blocks(rows, columns, seed=1)
    cells = by_blocks(matrix, rows, columns)
    assert cells is not None
    bands = []
    for m, line in zip(rows, cells, strict=True):
        blocks = []
        for n, cell in zip(columns, line, strict=True):
            on, *off = map(float, cell.split("/"))
            block = np.full((m, n), off[0] if off else on)
            if off:
                np.fill_diagonal(block, on)
            blocks.append(block)
        bands.append(np.hstack(blocks))
    assert np.abs(np.vstack(bands) - matrix).max() <= 5.0001e-5


def test_what_is_not_made_of_such_blocks_is_not_said_to_be() -> None:
    matrix = _blocks([2, 3], [2, 3], seed=2)
    assert by_blocks(matrix, [2, 3], [2, 2]) is None  # sizes of another matrix
    for entry in ((0, 0), (0, 1), (1, 4), (3, 3)):
        changed = matrix.copy()
        changed[entry] += 1e-3
        assert by_blocks(changed, [2, 3], [2, 3]) is None


def test_a_point_without_blocks_is_shown_in_parts_where_it_is_wide(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty units at 80 columns: R and Q were columns of "0…"."""
    document = json.loads(EXAMPLE.read_text())
    draw = random.Random(3)
    entries = [[draw.uniform(-1, 1) for _ in range(20)] for _ in range(20)]
    document["fixed_points"][1]["overlaps"] = {"R": entries, "Q": entries}
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("COLUMNS", "80")
    lines = command("show", path, "m2").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("R:"))
    shown: dict[tuple[int, int], float] = {}
    for line in lines[start + 1 : start + 43]:
        words = line.split()
        if line.startswith(" "):
            heading = [int(word) for word in words]
            continue
        row, *values = words
        shown |= {(int(row), n): float(v) for n, v in zip(heading, values, strict=True)}
    assert shown == {
        (i, j): float(f"{entries[i - 1][j - 1]:.2f}") for i in range(1, 21) for j in range(1, 21)
    }
