"""Tables of results as Parquet: what is read back is what the result has, types and source too."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import relu_landscape_client
from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.descents import DescentsRequest
from relu_landscape.wire.frequencies import FrequenciesRequest
from relu_landscape.wire.perturbations import PerturbationsRequest
from relu_landscape_client import Atlas, Landscape, MissingExtra
from relu_landscape_client.descents import Descents
from relu_landscape_client.frequencies import Frequencies
from relu_landscape_client.perturbations import Perturbations
from tests.clients.samples import document

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def landscape() -> Landscape:
    return Landscape.from_document(document())


@pytest.fixture
def atlas() -> Atlas:
    return relu_landscape_client.atlas()


def _same(back: pd.DataFrame, table: pd.DataFrame) -> None:
    """Every cell, to the last bit; what has no value is none on both sides."""
    assert list(back.columns) == list(table.columns)
    assert len(back) == len(table) > 0
    for name in table.columns:
        for here, there in zip(back[name], table[name], strict=True):
            assert (pd.isna(here) and pd.isna(there)) or here == there, name


def _types(path: Path) -> dict[str, str]:
    return {field.name: str(field.type) for field in parquet.read_schema(path)}


def _said(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(parquet.read_schema(path).metadata[b"relu_landscape"])
    return said


def test_a_landscape_s_points_come_back(landscape: Landscape, tmp_path: Path) -> None:
    landscape.to_parquet(path := tmp_path / "t.parquet")
    back = pd.read_parquet(path)
    table = landscape.to_dataframe().reset_index()
    assert back["orbit_size"].map(int).tolist() == table["orbit_size"].tolist()
    assert int(back["orbit_size"][0]) == 12345678901234567890 > 2**63  # no 64 bits hold it
    names = list(back.columns)
    _same(back.drop(columns="orbit_size"), table[names].drop(columns="orbit_size"))
    assert set(names) == set(table.columns)
    said = _said(path)
    assert (said["id"], said["digest"]) == (landscape.id, landscape.digest)
    assert said["request"] == landscape.request


def test_types_do_not_depend_on_what_is_in_the_table(landscape: Landscape, tmp_path: Path) -> None:
    """So that files of several landscapes are one data set, although a column is null in some."""
    landscape.to_parquet(some := tmp_path / "some.parquet")
    nothing = Landscape.from_document(document(fixed_points=[]))
    nothing.to_parquet(none := tmp_path / "none.parquet")
    assert _types(none) == _types(some)
    kinds = _types(some)
    assert kinds | {
        "seed": "int64", "loss": "double", "attractive": "bool", "critical_rate": "double",
        "orbit_size": "string",
    } == kinds  # fmt: skip
    assert "null" not in kinds.values()


def test_an_unknown_number_is_null(landscape: Landscape, tmp_path: Path) -> None:
    """A saddle's probability is NaN in the client; elsewhere than in pandas that is a number."""
    assert math.isnan(landscape.fixed_points["s1"].probability)
    landscape.to_parquet(path := tmp_path / "t.parquet")
    (saddle,) = [row for row in parquet.read_table(path).to_pylist() if row["key"] == "s1"]
    assert saddle["probability"] is None
    assert saddle["relaxation_time"] is None


def test_descents_come_back_with_other_outcomes(tmp_path: Path) -> None:
    request = DescentsRequest(
        student_width=3, teacher_width=3, rule="gradient_descent", starts=10, input_dimension=20
    )
    given = json.loads(json.dumps(solve_locally(request, workers=1).result))
    given["others"] = [
        {"outcome": "gone", "attraction": given["zero_loss"], "lowest_loss": None,
         "highest_loss": None}
    ]  # fmt: skip
    found = Descents.from_document(given)
    found.to_parquet(path := tmp_path / "t.parquet")
    _same(pd.read_parquet(path), found.to_dataframe())
    assert parquet.read_table(path).to_pylist()[-1]["loss"] is None
    assert _said(path)["request"]["rule"] == "gradient_descent"


def test_frequencies_come_back(tmp_path: Path) -> None:
    request = FrequenciesRequest(
        student_width=2, teacher_width=3, learning_rates=(0.3, 3.0), starts=6, seed=6,
        input_dimension=20, until=5.0, checks=2, structured=False,
    )  # fmt: skip
    found = Frequencies.from_document(solve_locally(request, workers=1).result)
    found.to_parquet(path := tmp_path / "t.parquet")
    _same(pd.read_parquet(path), found.to_dataframe())
    assert _said(path)["digest"] == found.digest


def test_perturbations_come_back(tmp_path: Path) -> None:
    request = PerturbationsRequest(
        student_width=6, teacher_width=6, structure="one-anti-aligned", sizes=(0.01, 5.0),
        kicks=4, input_dimension=20,
    )  # fmt: skip
    found = Perturbations.from_document(solve_locally(request, workers=1).result)
    found.to_parquet(path := tmp_path / "t.parquet")
    _same(pd.read_parquet(path), found.to_dataframe())
    assert _said(path)["id"] == found.id


@pytest.mark.parametrize("fixed_points", [False, True], ids=["cells", "points"])
def test_the_atlas_comes_back(atlas: Atlas, tmp_path: Path, fixed_points: bool) -> None:
    atlas.to_parquet(path := tmp_path / "t.parquet", fixed_points=fixed_points)
    back, table = pd.read_parquet(path), atlas.to_dataframe(fixed_points=fixed_points)
    if fixed_points:
        assert back["orbit_size"].map(int).tolist() == table["orbit_size"].tolist()
        back, table = back.drop(columns="orbit_size"), table.drop(columns="orbit_size")
    _same(back, table)
    said = _said(path)
    assert (said["licence"], said["citation"]) == (atlas.licence, atlas.citation)
    assert said["origin"] == atlas.origin


def test_without_pyarrow_the_line_that_installs_it_is_said(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path := tmp_path / "t.parquet").write_text("what was there")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'relu-landscape-client\[parquet\]'"):
        landscape.to_parquet(path)
    assert path.read_text() == "what was there"
