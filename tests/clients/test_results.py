"""What comes back: typed, frozen, whole, and unmoved by what it does not know."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.wire import landscape as wire
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_cli.tables import landscape_table
from relu_landscape_cli.widening import split_tables, widening_tables
from relu_landscape_client import FileError, FixedPoint, Landscape, MissingExtra, ProtocolError
from tests.clients.samples import ID, document, fixed_point, of_release_0_1
from tests.service.engine.landscape.solving import body, solve


@pytest.fixture(name="landscape")
def _landscape() -> Landscape:
    return Landscape.from_document(document())


def test_points_by_kind_position_and_key(landscape: Landscape) -> None:
    assert [point.key for point in landscape.minima] == ["m1", "m2"]
    assert [point.key for point in landscape.spurious] == ["m2"]
    assert landscape.saddles[0] is landscape.fixed_points["s1"]
    assert landscape.minima[-1].key == "m2"
    assert [point.key for point in landscape.fixed_points[1:]] == ["m2", "s1"]
    with pytest.raises(KeyError, match="m1"):
        landscape.fixed_points["m9"]
    assert (landscape.student_width, landscape.teacher_width) == (2, 2)


def test_a_continuum_of_global_minima_is_one_minimum() -> None:
    point = fixed_point("g1", 0.0, 9).model_copy(
        update={"kind": "global_continuum", "continuum_dimension": 1}
    )
    landscape = Landscape.from_document(document(fixed_points=[point]))
    assert landscape.minima[0].continuum_dimension == 1
    assert len(landscape.spurious) == 0


def test_pathways_and_the_graph_of_the_minima(landscape: Landscape) -> None:
    (pathway,) = landscape.pathways
    assert (pathway.saddle, pathway.minima) == ("s1", ("m1", "m2"))
    assert (pathway.relation, pathway.barriers) == ("different", (0.02, 0.0075))
    graph = landscape.disconnectivity
    assert graph is not None
    assert [(leaf.key, leaf.loss) for leaf in graph.leaves] == [("m1", 0.0), ("m2", 0.0125)]
    (node,) = graph.nodes
    assert (node.saddle, node.level, node.children) == ("s1", 0.02, ("m1", "m2"))
    assert graph.roots == (node.key,)
    without = Landscape.from_document(document(disconnectivity=None))
    assert without.disconnectivity is None


def test_lines_of_saddles_are_not_fixed_points() -> None:
    """Computed here, so that the server's own words are read; an older server has none."""
    request = LandscapeRequest(student_width=2, teacher_width=2, starts=0, saddles=True)
    lines = body(solve(request)).saddle_lines
    told = document(saddle_lines=lines)
    landscape = Landscape.from_document(told)
    (line,) = landscape.saddle_lines
    assert (line.key, line.dimension, line.index, line.parts) == ("l1", 1, 999, (2,))
    assert (line.origin.student_width, line.origin.structure.name) == (1, "2x0 extra 1")
    assert line.origin.overlaps.R.shape == (1, 2)
    assert line.loss == pytest.approx(0.0885119366328834)
    assert line.found_by == ("structured",)
    assert [point.key for point in landscape.fixed_points] == ["m1", "m2", "s1"]
    assert "l1: a set of saddles of dimension 1" in str(landscape_table(landscape).caption)
    del told["saddle_lines"]
    assert Landscape.from_document(told).saddle_lines == ()


def test_one_more_student() -> None:
    """Computed here, so that the server's own words are read; an older server has none."""
    asked = {"student_width": 2, "teacher_width": 3, "starts": 20, "saddles": True, "widen": True}
    found = body(solve(LandscapeRequest.model_validate(asked)))
    told = document(fixed_points=found.fixed_points)
    landscape = Landscape.from_document(told)
    point, saddle = landscape.fixed_points
    wider = point.widening
    assert wider is not None
    assert wider.best is not None
    assert wider.gain == wider.best.gain == pytest.approx(wider.best.value**2)
    assert wider.best.loss == pytest.approx(0.0585714, abs=1e-7)
    assert wider.best.cosines.shape == (3,)
    end = wider.best.leads_to
    assert (end.kind, end.loss, end.structure, end.is_global) == ("minimum", 0.0, "3", True)
    assert wider.split_way is not None
    assert wider.split_way.student == 1
    assert wider.saddle_lines == len(wider.splits) == 2
    assert all(split.index == 999 for split in wider.splits)
    assert saddle.widening is not None
    table = landscape.to_dataframe()
    assert table.loc["m1", "wider_gain"] == wider.gain
    assert table.loc["m1", "wider_guaranteed_gain"] == wider.guaranteed_gain
    assert table.loc["m1", "wider_end_structure"] == "3"
    assert table.loc["m1", "wider_saddle_lines"] == 2
    (printed,) = widening_tables(landscape)
    assert str(printed.title) == "one more student"
    assert [column.heading for column in printed.columns][:3] == [
        "key", "loss with the best", "gain",
    ]  # fmt: skip
    assert printed.columns[-2].cells[0] == "2 of 2"
    (rows,) = split_tables(point)
    assert rows.columns[-1].cells == ["999", "999"]
    for each in told["fixed_points"]:
        del each["widening"]
    older = Landscape.from_document(told)
    assert older.fixed_points[0].widening is None
    assert older.to_dataframe()["wider_gain"].isna().all()
    assert widening_tables(older) == split_tables(older.fixed_points[0]) == []


def test_stability_speaks_of_both_blocks(landscape: Landscape) -> None:
    saddle = landscape.saddles[0].stability
    assert (saddle.index, saddle.index_span, saddle.index_perpendicular) == (1, 1, 0)
    assert saddle.min_eigenvalue_span == -0.0204
    assert saddle.relaxation_time is None
    minimum = landscape.minima[0].stability
    assert (minimum.relaxation_time, minimum.min_eigenvalue_perpendicular) == (8.0, 0.25)


def test_arrays_are_exact_and_read_only(landscape: Landscape) -> None:
    raw = document()["fixed_points"][1]["overlaps"]
    point = landscape.minima[1]
    assert point.R.shape == point.Q.shape == (2, 2)
    assert point.R.tolist() == raw["R"]
    assert point.Q.tolist() == raw["Q"]
    with pytest.raises(ValueError, match="read-only"):
        point.R[0, 0] = 2.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.loss = 0.0  # type: ignore[misc]


def test_multiplicities_beyond_2_53_are_exact(landscape: Landscape) -> None:
    spectrum = landscape.minima[0].spectrum
    assert spectrum.multiplicities == (1, 3, 98765432109876543210)
    assert spectrum.spaces == ("span", "span", "perpendicular")
    assert spectrum.expanded().tolist() == [0.125, 0.5, 0.5, 0.5]
    assert landscape.minima[0].structure.orbit_size == 12345678901234567890
    with pytest.raises(ValueError, match="98765432109876543210"):
        spectrum.expanded("perpendicular")


def test_unknown_fields_are_kept_and_do_no_harm() -> None:
    newer = document() | {"mood": "cheerful"}
    point = newer["fixed_points"][0]
    point["colour"] = "blue"
    point["stability"]["temperature"] = {"kelvin": 300}
    point["structure"]["spin"] = 0.5
    newer["pathways"][0]["rate"] = 1.0
    newer["disconnectivity"]["nodes"][0]["age"] = 7
    landscape = Landscape.from_document(newer)
    assert landscape.document["mood"] == "cheerful"
    assert landscape.minima[0].document["colour"] == "blue"


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every member of every object in a document."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield (*path, name)
            yield from _paths(entry, (*path, name))
    elif isinstance(value, list):
        for number, entry in enumerate(value[:1]):
            yield from _paths(entry, (*path, number))


#: Members that the server's own models may do without.
OPTIONAL = {
    name
    for model in (wire.Landscape, wire.FixedPoint, wire.Attraction)
    for name, field in model.model_fields.items()
    if not field.is_required()
}
#: Objects that are handed on as they came.
AS_THEY_COME = {"request", "starts", "missing_mass", "searched", "provenance", "students"}


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in _paths(document())
        if path[-1] not in OPTIONAL and not AS_THEY_COME & set(path[:-1])
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_what_cannot_be_missing_is_named(path: tuple[Any, ...]) -> None:
    whole = document()
    place = whole
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(ProtocolError, match=f"lacks the field '{path[-1]}'"):
        Landscape.from_document(whole)


def test_a_landscape_of_release_0_1_is_said_to_be_one(tmp_path: Path) -> None:
    old = of_release_0_1()
    with pytest.raises(ProtocolError, match=r"release 0\.1.*compute it again"):
        Landscape.from_document(old)
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    with pytest.raises(ProtocolError, match=r"release 0\.1"):
        Landscape.load(path)
    # A point by itself has the old names too: the first that is missing is named.
    with pytest.raises(ProtocolError, match="index_span"):
        FixedPoint.from_document(old["fixed_points"][0])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("loss",), "low"), (("overlaps", "R"), [[1.0], [1.0, 2.0]]),
        (("overlaps", "Q"), [["x"]]), (("structure", "orbit_size"), "many"),
        (("stability", "index"), 1.5), (("stability",), [1]), (("structure",), "1+1"),
        (("found_by",), 7), (("structure", "students"), [7]), (("certificate",), "proven"),
        (("stability", "spectrum"), {}), (("attraction", "interval_95"), [0.5]),
    ],
)  # fmt: skip
def test_wrong_types_are_protocol_errors(path: tuple[str, ...], value: Any) -> None:
    whole = document()
    place = whole["fixed_points"][0]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(ProtocolError):
        Landscape.from_document(whole)


def _with_nan() -> Landscape:
    """As Python's own JSON writes NaN, and as strict JSON does."""
    whole = document()
    whole["fixed_points"][0]["stability"]["min_eigenvalue_span"] = None
    whole["fixed_points"][1]["stability"]["min_eigenvalue_span"] = math.nan
    whole["fixed_points"][1]["overlaps"]["R"][0][0] = None
    return Landscape.from_document(whole)


def test_nan_comes_in_goes_out_as_null_and_comes_back(tmp_path: Path) -> None:
    landscape = _with_nan()
    assert math.isnan(landscape.minima[0].stability.min_eigenvalue_span)
    assert np.isnan(landscape.minima[1].R[0, 0])

    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is not strict JSON")

    json.loads(landscape.to_json(tmp_path / "a.json"), parse_constant=refuse)
    for back in (landscape.load(tmp_path / "a.json"), _through_npz(landscape, tmp_path)):
        assert math.isnan(back.minima[1].stability.min_eigenvalue_span)
        assert np.isnan(back.minima[1].R[0, 0])


def _through_npz(landscape: Landscape, folder: Path) -> Landscape:
    landscape.to_npz(folder / "a.npz")
    return Landscape.load(folder / "a.npz")


def test_files_give_back_every_digit(tmp_path: Path) -> None:
    ragged = document()
    ragged["fixed_points"][1]["loss"] = 0.1 + 0.2  # 17 significant digits
    landscape = Landscape.from_document(ragged)
    landscape.to_json(str(tmp_path / "a.json"))
    assert Landscape.load(str(tmp_path / "a.json")).document == landscape.document
    assert _through_npz(landscape, tmp_path).document == landscape.document
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["R_m2"].tolist() == landscape.fixed_points["m2"].R.tolist()
        assert arrays["keys"].tolist() == ["m1", "m2", "s1"]
        assert arrays["loss"][1] == 0.1 + 0.2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.npz"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"PK\x03\x04 cut", b"\xff", b'{"fixed_points": '],
)  # fmt: skip
def test_files_that_hold_no_landscape(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FileError, match="holds no landscape"):
        Landscape.load(tmp_path / "a")


def test_an_npz_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "b.npz", x=np.arange(3))
    with pytest.raises(FileError):
        Landscape.load(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", document=np.array([{"fixed_points": []}], dtype=object))
    with pytest.raises(FileError):
        Landscape.load(tmp_path / "c.npz")


def test_a_failed_write_leaves_the_old_file(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("precious")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        landscape.to_json(path)
    assert path.read_bytes() == b"precious"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_equal_by_digest_and_fit_for_other_processes(landscape: Landscape) -> None:
    slower = document()
    slower["provenance"]["seconds"] = 99.0
    assert Landscape.from_document(slower) == landscape
    assert Landscape.from_document(document() | {"digest": "e2" * 32}) != landscape
    assert pickle.loads(pickle.dumps(landscape)) == landscape
    assert len({landscape, Landscape.from_document(slower)}) == 1
    assert landscape != "a landscape"


def test_dataframe(landscape: Landscape) -> None:
    table = landscape.to_dataframe()
    assert table.index.tolist() == ["m1", "m2", "s1"]
    assert table.loc["m2", "loss"] == 0.0125
    assert table.loc["m2", "hits"] == 2
    assert table["probability"].isna().tolist() == [False, False, True]
    assert table["index_span"].tolist() == [0, 0, 1]
    assert str(table.dtypes["min_eigenvalue_perpendicular"]) == "float64"
    assert landscape.minima.to_dataframe().shape[0] == 2
    # A table of nothing has the columns of any other, and they are what a point says of itself.
    empty = landscape.fixed_points[:0].to_dataframe()
    assert ["student_width", "teacher_width", "seed", *empty.columns] == list(table.columns)
    assert table["student_width"].tolist() == [2, 2, 2]
    assert table["relaxation_time"].isna().tolist() == [False, False, True]
    assert table.loc["m1", "orbit_size"] == 12345678901234567890
    assert ["key", *empty.columns] == list(landscape.fixed_points[0].row())


def test_xarray(landscape: Landscape) -> None:
    data = landscape.to_xarray()
    assert data.sizes == {"key": 3, "student": 2, "student_2": 2, "teacher": 2}
    raw = document()["fixed_points"][1]["overlaps"]["R"]
    assert data["R"].sel(key="m2").values.tolist() == raw
    assert data["min_eigenvalue_span"].sel(key="s1") == -0.0204
    assert data.attrs["id"] == ID
    none = Landscape.from_document(document(fixed_points=[]))
    assert none.to_xarray().sizes["key"] == 0


@pytest.mark.parametrize(
    ("library", "method"),
    [("pandas", "to_dataframe"), ("xarray", "to_xarray"), ("matplotlib", "plot")],
)
def test_a_missing_library_is_named_with_the_line_that_installs_it(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch, library: str, method: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(MissingExtra, match=r"pip install 'relu-landscape-client\["):
        getattr(landscape, method)()
