"""Perturbations as the server describes them, read by the client."""

from __future__ import annotations

import json
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.perturbations import PerturbationsRequest
from relu_landscape_client import Perturbations, ProtocolError
from tests.clients.served import Served

mpl.use("Agg")


@pytest.fixture(scope="module")
def found() -> Perturbations:
    """The spurious minimum of width 6: from a size that is proved to one that none withstands."""
    request = PerturbationsRequest(
        student_width=6, teacher_width=6, structure="one-anti-aligned", sizes=(1e-4, 0.8, 5.0),
        kicks=8, input_dimension=50, certify="fast",
    )  # fmt: skip
    return Perturbations.from_document(solve_locally(request, workers=1).result)


def test_returns_are_those_of_the_kicks(found: Perturbations) -> None:
    assert found.returned[0] == 1.0
    assert found.returned[2] == 0.0
    assert found.returned.tolist() == [one.ends.count(found.start) / 8 for one in found.sizes]
    assert [one.proved for one in found.sizes] == [8, 0, 0]
    assert found.proved_radius > found.sizes[0].length
    assert found.fixed_points[found.start].structure.name == "1+5"
    assert "8 kicks of each of 3 sizes" in repr(found)
    assert "m2: 1" in repr(found.sizes[0])


def test_a_direction_leaves_at_the_first_size_that_it_does_not_withstand(
    found: Perturbations,
) -> None:
    leaves = found.leaves_at
    assert set(leaves.tolist()) == {0.8, 5.0}
    assert int(np.sum(leaves == 0.8)) == 8 - found.sizes[1].returned.hits
    document = {**found.document, "sizes": found.document["sizes"][:1]}
    assert np.all(np.isnan(Perturbations.from_document(document).leaves_at))


def test_the_table_has_a_row_per_size_and_end(found: Perturbations) -> None:
    table = found.to_dataframe()
    assert len(table) == sum(len(one.reached) for one in found.sizes) == 6
    for _, rows in table.groupby("size"):
        assert rows["hits"].sum() == 8
        assert rows["is_start"].sum() == 1
    assert (table["low"] <= table["probability"]).all()
    assert (table["probability"] <= table["high"]).all()


def test_the_plot_has_a_line_for_every_end_and_marks_what_is_proved(found: Perturbations) -> None:
    axes = found.plot()
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["m1", "m2"]
    # The marked size is the one whose whole kick is as long as the proved radius.
    across = [np.asarray(line.get_xdata(), dtype=np.float64) for line in axes.lines]
    marks = [places[0] for places in across if len(places) == 2]
    assert marks == [pytest.approx(found.proved_radius / math.sqrt(6), rel=1e-12)]


def test_it_goes_to_a_file_and_back(found: Perturbations, tmp_path: Path) -> None:
    target = tmp_path / "p.json"
    found.to_json(target)
    assert Perturbations.from_document(json.loads(target.read_text())) == found
    with pytest.raises(ProtocolError):
        Perturbations.from_document({**found.document, "sizes": [{}]})


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_both_clients_ask_for_it(server: Served, kind: str) -> None:
    server.finish_at_once()
    answer = server.call(
        kind, "perturbations", 3, 3, structure="1+2", sizes=[0.1], kicks=5, leak=0.5
    )
    assert isinstance(answer, Perturbations)
    assert [one.size for one in answer.sizes] == [0.1]
    assert (answer.request["kicks"], answer.request["leak"]) == (5, 0.5)
    assert math.isnan(answer.proved_radius)


def test_weights_are_asked_with_as_an_array(server: Served) -> None:
    server.finish_at_once()
    answer = server.call("plain", "perturbations", 3, 3, weights=np.eye(3), sizes=[0.1], kicks=5)
    assert answer.request["weights"] == np.eye(3).tolist()
