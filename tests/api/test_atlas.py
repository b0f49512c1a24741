"""The atlas as it is served: the installed file, whole or by widths, and numbers that must hold."""

from __future__ import annotations

import gzip
import math
from importlib.resources import files
from typing import Any

import pytest
from starlette.testclient import TestClient

from relu_landscape import ALGORITHM
from relu_landscape.wire.atlas import Atlas, AtlasQuery, options_of
from relu_landscape.wire.base import field_names
from relu_landscape.wire.requests import LandscapeRequest
from tests.acceptance.published import table
from tests.api.conftest import MakeClient


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """What is installed, whatever its largest width."""
    packed = files("relu_landscape_client").joinpath("data", "atlas.json.gz").read_bytes()
    return Atlas.model_validate_json(gzip.decompress(packed))


def test_the_whole(client: TestClient, atlas: Atlas) -> None:
    answer = client.get("/v1/atlas")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert Atlas.model_validate(answer.json()) == atlas
    again = client.get("/v1/atlas", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(
    "query", [{"student_width": 2}, {"M": 3}, {"K": 2, "width": 3}, {"student": 4, "teacher": 1}]
)
def test_by_widths(client: TestClient, atlas: Atlas, query: dict[str, int]) -> None:
    """Short names are those of every other call."""
    answer = client.get("/v1/atlas", params=query)
    found = Atlas.model_validate(answer.json())
    names = field_names(AtlasQuery)
    wanted = {names[name]: width for name, width in query.items()}
    assert found.cells == [
        cell
        for cell in atlas.cells
        if all(getattr(cell, name) == width for name, width in wanted.items())
    ]
    assert found.cells
    assert found.origin == atlas.origin
    assert answer.headers["etag"] != client.get("/v1/atlas").headers["etag"]
    assert ("Notice" in answer.headers) is (query == {"K": 2, "width": 3})


def test_what_it_lacks_is_left_out(client: TestClient) -> None:
    assert client.get("/v1/atlas?student_width=512").json()["cells"] == []


@pytest.mark.parametrize("query", ["student_width=0", "teacher_width=x", "colour=2"])
def test_what_makes_no_sense_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/v1/atlas?{query}")
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [query.partition("=")[0]]


def test_a_key_that_reads_is_enough(make_client: MakeClient) -> None:
    keyed = make_client(api_key="correct horse")
    assert keyed.get("/v1/atlas").status_code == 401
    headers = {"Authorization": "Bearer correct horse"}
    assert keyed.get("/v1/atlas", headers=headers).status_code == 200


# ---- what is in it ----


def test_every_pair_of_widths_once(atlas: Atlas) -> None:
    pairs = [(cell.teacher_width, cell.student_width) for cell in atlas.cells]
    widest = max(teacher for teacher, _ in pairs)
    assert widest >= 4
    assert pairs == [(m, k) for m in range(1, widest + 1) for k in range(1, widest + 1)]


def test_every_cell_is_what_a_service_would_be_asked_for(atlas: Atlas) -> None:
    """Its id is the content id of its request, for the algorithm and the kernel that it names."""
    kernel = atlas.origin.kernel
    for cell in atlas.cells:
        widths = {"student_width": cell.student_width, "teacher_width": cell.teacher_width}
        request = LandscapeRequest.model_validate(widths | cell.options)
        assert options_of(request) == cell.options
        if atlas.origin.algorithm == ALGORITHM:  # of another one the ids are another one's
            assert kernel is not None
            assert cell.id == request.content_id(f"native-{kernel.version}")


def test_figures_follow_from_the_points(atlas: Atlas) -> None:
    for cell in atlas.cells:
        minima = [point for point in cell.fixed_points if point.kind != "saddle"]
        spurious = [point.loss for point in minima if point.loss > 0.0]
        zero = sum(point.hits or 0 for point in minima if point.loss == 0.0)
        assert (cell.minima, cell.spurious_minima) == (len(minima), len(spurious))
        assert cell.lowest_spurious_loss == min(spurious, default=None)
        assert (cell.zero_loss_hits, cell.zero_loss_probability) == (zero, zero / cell.starts)
        assert cell.zero_loss_interval_95 is not None
        low, high = cell.zero_loss_interval_95
        assert low <= zero / cell.starts <= high
        hits = sum(point.hits or 0 for point in minima)
        assert hits + cell.failed_starts <= cell.starts
        proofs = sum(point.certified for point in cell.fixed_points)
        assert cell.certified == (proofs if "certify" in cell.options else None)
        assert (cell.saddles is None) is ("saddles" not in cell.options)
        for point in cell.fixed_points:
            assert (point.kind == "saddle") is (point.index not in (0, "0"))


def loss_of_one_student(teachers: int) -> float:
    """Least loss of one student, by hand.

    By symmetry and convexity its direction has the same cosine c = M^-1/2 with every teacher unit;
    E relu relu of unit vectors is (sin t + (pi - t) cos t) / 2 pi at the angle t; and the best norm
    solves a line.
    """
    angle = math.acos(teachers**-0.5)
    overlap = teachers * (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / (2 * math.pi)
    among = teachers / 2 + teachers * (teachers - 1) / (2 * math.pi)
    return among / 2 - overlap**2


def test_one_student_averages_all_teachers(atlas: Atlas) -> None:
    for cell in atlas.cells:
        if cell.student_width == 1 < cell.teacher_width:
            assert cell.zero_loss_hits == 0
            # Both sides cancel terms of about M^2 / 2 pi: a few roundings of those.
            allowed = 8 * cell.teacher_width**2 * 2.0**-52
            assert cell.lowest_spurious_loss == pytest.approx(
                loss_of_one_student(cell.teacher_width), rel=0.0, abs=allowed
            )


def test_enough_students_reach_zero_loss(atlas: Atlas) -> None:
    """Every relabelling of an equal student is one copy; with more students it is a continuum."""
    for cell in atlas.cells:
        lowest = cell.fixed_points[0]
        if cell.student_width < cell.teacher_width:
            assert cell.zero_loss_hits == 0
            assert cell.spurious_minima == cell.minima > 0
            continue
        assert lowest.loss == 0.0
        is_equal = cell.student_width == cell.teacher_width
        assert lowest.kind == ("minimum" if is_equal else "global_continuum")
        if is_equal:
            assert int(lowest.orbit_size) == math.factorial(cell.student_width)


def test_the_narrowest_have_no_spurious_minimum(atlas: Atlas) -> None:
    cells = {(cell.student_width, cell.teacher_width): cell for cell in atlas.cells}
    for width in (2, 3, 4):
        assert cells[width, width].spurious_minima == 0
        assert cells[width, width].zero_loss_hits == cells[width, width].starts


def test_published_minima_of_equal_widths(atlas: Atlas) -> None:
    """Safran, Yehudai and Shamir (COLT 2021, arXiv:2006.01005), as far as the atlas goes.

    Of each width the minimum at zero loss, with its smallest eigenvalue, and the one in which a
    student stands apart. Twelve digits of losses are published, eight of eigenvalues' decimals.
    """
    published: dict[str, Any] = table("well_specified_minima")["by_width"]
    for cell in atlas.cells:
        if cell.student_width != cell.teacher_width:
            continue
        # At zero loss the smallest eigenvalue is the same at every width in that table.
        smallest = published["6"]["minima"][0]["min_eigenvalue"]
        if cell.student_width > 1:
            assert cell.fixed_points[0].smallest_eigenvalue == pytest.approx(
                smallest, rel=0.0, abs=1e-8
            )
        for minimum in published.get(str(cell.student_width), {"minima": []})["minima"]:
            if minimum["blocks"] == [1, cell.student_width - 1]:
                # Others of the same blocks are listed too, with anti-aligned students.
                losses = [point.loss for point in cell.fixed_points if point.kind == "minimum"]
                assert min(abs(loss - minimum["loss"]) for loss in losses) <= 1e-12


def test_published_minima_with_one_student_more(atlas: Atlas) -> None:
    """Safran and Shamir (ICML 2018, arXiv:1712.08968), as far as the atlas goes: twelve decimals of
    losses are published, and every point listed there as a minimum is one here."""
    cells = {(cell.student_width, cell.teacher_width): cell for cell in atlas.cells}
    for case in table("overparameterised_points")["cases"]:
        cell = cells.get((case["student_width"], case["teacher_width"]))
        if cell is None:
            continue
        losses = [point.loss for point in cell.fixed_points if point.kind == "minimum"]
        for point in case["points"]:
            if point["min_eigenvalue"] > 0.0:
                assert min(abs(loss - point["loss"]) for loss in losses) <= 1e-12
