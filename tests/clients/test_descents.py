"""Descents as the server describes them, read by the client."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.descents import DescentsRequest
from relu_landscape_client import Descents, ProtocolError
from tests.clients.served import Served


@pytest.fixture(scope="module")
def found() -> Descents:
    request = DescentsRequest(
        student_width=9, teacher_width=9, rule="gradient_descent", starts=30, input_dimension=50
    )
    return Descents.from_document(solve_locally(request, workers=1).result)


def test_ends_are_those_of_the_starts(found: Descents) -> None:
    assert [found.reached.count(end.key) for end in found.ends] == [
        end.attraction.hits for end in found.ends
    ]
    assert found.ends[0].kind == "global"
    assert found.zero_loss.hits == found.ends[0].attraction.hits
    assert found.ends[1].structure is not None
    assert found.ends[1].structure.anti_aligned == 1
    assert found.ends[1].curvature is not None
    assert found.ends[1].curvature.min_eigenvalue_span > 0.0
    assert found.step == pytest.approx(8 / 26)
    assert "30 starts" in repr(found)


def test_the_table_has_a_row_per_end(found: Descents) -> None:
    table = found.to_dataframe()
    assert table["end"].tolist() == [end.key for end in found.ends]
    assert table["hits"].sum() == 30
    assert (table["low"] <= table["probability"]).all()


def test_what_is_null_is_not_a_number(found: Descents) -> None:
    document = json.loads(json.dumps(found.document))
    document["ends"][0]["curvature"]["min_eigenvalue_beside"] = None
    document["ends"][1]["curvature"] = None
    share = document["zero_loss"]
    document["others"] = [
        {"outcome": "gone", "attraction": share, "lowest_loss": None, "highest_loss": None}
    ]
    changed = Descents.from_document(document)
    assert changed.ends[0].curvature is not None
    assert math.isnan(changed.ends[0].curvature.min_eigenvalue_beside)
    assert changed.ends[1].curvature is None
    assert math.isnan(changed.others[0].lowest_loss)
    assert changed.to_dataframe()["end"].tolist()[-1] == "gone"


def test_structured_points_say_how_they_were_found(found: Descents) -> None:
    assert found.searched is None
    assert {end.found_by for end in found.ends} == {()}
    request = DescentsRequest(
        student_width=3, teacher_width=3, rule="orthonormalised", starts=2, input_dimension=20,
        structured=True,
    )  # fmt: skip
    more = Descents.from_document(solve_locally(request, workers=1).result)
    assert more.searched is not None
    assert more.searched.patterns[0].unknowns == 2
    assert more.searched.not_searched == 0
    ways = more.to_dataframe()["found_by"].tolist()
    assert ways[0] == "starts structures"
    assert "structures" in ways
    none = next(end for end in more.ends if end.found_by == ("structures",))
    assert (none.attraction.hits, none.attraction.probability) == (0, 0.0)


def test_it_goes_to_a_file_and_back(found: Descents, tmp_path: Path) -> None:
    target = tmp_path / "d.json"
    found.to_json(target)
    assert Descents.from_document(json.loads(target.read_text())) == found
    with pytest.raises(ProtocolError):
        Descents.from_document({**found.document, "ends": [{}]})


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_both_clients_ask_for_it(server: Served, kind: str) -> None:
    server.finish_at_once()
    answer = server.call(kind, "descents", 3, 3, "normalised", starts=5)
    assert isinstance(answer, Descents)
    assert answer.request["rule"] == "normalised"
    assert answer.zero_loss.hits == 5
