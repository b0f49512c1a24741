"""Sweeps through the clients: asked for, read, and written as tables."""

from __future__ import annotations

import csv
import io
import json
import pickle
from pathlib import Path
from typing import Any

import orjson
import pytest

from relu_landscape.analyses import SWEEP
from relu_landscape.jobs.about import provenance
from relu_landscape.jobs.running.sealing import seal
from relu_landscape.jobs.testing import perfect_copy
from relu_landscape.jobs.testing.memory import BACKEND
from relu_landscape.wire.sweeps import SweepMinimum, SweepRequest, SweepRow
from relu_landscape_client import MissingExtra, Sweep
from tests.clients.served import Served

GRID: dict[str, Any] = {"teacher_width": [2, 3], "init_scale": [0.5, 1.0, 2.0]}


@pytest.fixture(scope="module")
def sweep() -> Sweep:
    """Six cells: the last one failed, the first has two minima."""
    request = SweepRequest.model_validate({"base": {"width": 2}, "grid": GRID})
    body: Any = perfect_copy(request).result
    rows = [row.model_copy(update={"lowest_spurious_loss": 1 / (n + 3)})
            for n, row in enumerate(body.rows)]  # fmt: skip
    minima = [
        SweepMinimum.model_validate(
            {"key": f"m{n}", "kind": "minimum", "loss": loss, "structure": "1+1", "hits": n,
             "min_eigenvalue": 0.125, "certified": False}
        )
        for n, loss in enumerate((0.0, 2 / 3))
    ]  # fmt: skip
    rows[0] = rows[0].model_copy(update={"minima": minima})
    last = rows[5]
    rows[5] = SweepRow(
        cell=5, values=last.values, student_width=2, teacher_width=3, error="It failed, alas."
    )
    body = body.model_copy(update={"rows": rows, "finished": 5, "failed": 1})
    sealed = seal(SWEEP, "an-id", request, body, provenance(BACKEND))
    return Sweep.from_document(orjson.loads(sealed))


@pytest.mark.parametrize("kind", ["plain", "asynchronous"])
def test_it_is_asked_for_with_a_grid_and_a_base(server: Served, kind: str) -> None:
    server.finish_at_once()
    found: Sweep = server.call(
        kind,
        "sweep",
        {**GRID, "K": None},
        student_width=2,
        starts=7,
        again=3,
        progress=False,
        cache=False,
    )
    [asked] = server.service.submitted
    assert isinstance(asked, SweepRequest)
    assert (asked.common.student_width, asked.common.starts, asked.again) == (2, 7, 3)
    assert {name: list(values) for name, values in asked.grid.axes.items()} == GRID
    assert (found.finished, len(found.rows), found.request["again"]) == (6, 6, 3)
    assert [axis.name for axis in found.axes] == ["teacher_width", "init_scale"]
    assert "2 teacher_width x 3 init_scale: 6 landscapes" in repr(found)


def test_it_is_equal_by_digest_and_survives_pickling(sweep: Sweep) -> None:
    again = pickle.loads(pickle.dumps(sweep))
    assert again == sweep
    assert hash(again) == hash(sweep)
    assert json.loads(sweep.to_json())["digest"] == sweep.digest


def test_csv_has_a_line_per_cell_with_every_digit(sweep: Sweep, tmp_path: Path) -> None:
    text = sweep.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["teacher_width"], row["init_scale"]) for row in rows] == [
        ("2", "0.5"), ("2", "1.0"), ("2", "2.0"), ("3", "0.5"), ("3", "1.0"), ("3", "2.0"),
    ]  # fmt: skip
    assert float(rows[4]["lowest_spurious_loss"]) == 1 / 7
    assert rows[0]["losses"] == f"0.0 {2 / 3!r}"
    assert (rows[5]["error"], rows[5]["zero_loss_probability"]) == ("It failed, alas.", "")


def test_a_frame_keeps_integers_beside_missing_ones(sweep: Sweep) -> None:
    frame = sweep.to_dataframe()
    assert list(frame.columns) == list(sweep.columns)
    assert frame["spurious_minima"].dtype == "Int64"
    assert frame["spurious_minima"].isna().tolist() == [False] * 5 + [True]
    assert frame["zero_loss_low"].tolist()[0] == 0.5


def test_a_dataset_is_over_the_axes(sweep: Sweep) -> None:
    data = sweep.to_xarray()
    assert dict(data.sizes) == {"teacher_width": 2, "init_scale": 3}
    cell = data.sel(teacher_width=3, init_scale=0.5)
    assert float(cell["lowest_spurious_loss"]) == 1 / 6
    gone = data.sel(teacher_width=3, init_scale=2.0)
    assert bool(gone["zero_loss_probability"].isnull())
    assert str(gone["error"].values) == "It failed, alas."
    assert data.attrs["digest"] == sweep.digest


def test_parquet_holds_types_and_where_it_comes_from(sweep: Sweep, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sweep.to_parquet(tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert [str(table.schema.field(name).type) for name in ("starts", "init_scale", "error")] == [
        "int64", "double", "string",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [row["lowest_spurious_loss"] for row in rows[:5]] == [1 / (n + 3) for n in range(5)]
    assert (rows[5]["starts"], rows[5]["error"]) == (None, "It failed, alas.")
    said = json.loads(table.schema.metadata[b"relu_landscape"])
    assert (said["id"], said["digest"]) == (sweep.id, sweep.digest)


def test_without_pyarrow_the_line_that_installs_it_is_said(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'relu-landscape-client\[parquet\]'"):
        sweep.to_parquet(tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []
