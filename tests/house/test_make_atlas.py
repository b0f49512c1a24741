"""``tools/make_atlas.py``: goes on where it was killed, and its bytes follow from the results."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.atlas import Atlas
from relu_landscape.wire.requests import LandscapeRequest
from tools.make_atlas import Plan, atlas_of, packed

PLAN = Plan(width=2, starts=20, small=1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a first run was killed after the narrowest pair."""
    folder = tmp_path_factory.mktemp("atlas")
    assert len(atlas_of(Plan(1, 20, 1), folder, workers=1).cells) == 1
    assert len(list(folder.iterdir())) == 1
    return folder


@pytest.fixture(scope="module")
def made(kept: Path) -> Atlas:
    (first,) = kept.iterdir()
    before = first.stat().st_mtime_ns
    atlas = atlas_of(PLAN, kept, workers=1)
    assert first.stat().st_mtime_ns == before  # found, not computed again
    return atlas


def test_every_pair_with_its_options(made: Atlas) -> None:
    assert [(cell.student_width, cell.teacher_width) for cell in made.cells] == [
        (1, 1), (2, 1), (1, 2), (2, 2),
    ]  # fmt: skip
    assert made.cells[0].options == {"starts": 20, "saddles": True, "certify": "fast"}
    assert [cell.options for cell in made.cells[1:]] == [{"starts": 20}] * 3
    assert [cell.saddles for cell in made.cells] == [0, None, None, None]
    assert [cell.certified for cell in made.cells] == [1, None, None, None]


@pytest.mark.parametrize("width", [1, 4, 8, 9, 12])
def test_rectangles_make_up_the_square(width: int) -> None:
    seen = []
    for asked in Plan(width, 10, 8).sweeps:
        axes = asked.grid.axes
        for m in axes["teacher_width"]:
            for k in axes["student_width"]:
                seen.append((k, m))
                assert asked.common.saddles is (int(k) <= 8 and int(m) <= 8)
    assert sorted(seen) == [(k, m) for k in range(1, width + 1) for m in range(1, width + 1)]


def test_a_cell_is_the_landscape_of_its_widths(made: Atlas) -> None:
    request = LandscapeRequest(student_width=1, teacher_width=2, starts=20)
    found: Any = solve_locally(request, workers=1).result
    cell = made.cells[2]
    assert (cell.id, cell.digest) == (found["id"], found["digest"])
    (point,) = cell.fixed_points
    (listed,) = found["fixed_points"]
    assert (point.key, point.loss, point.index) == (
        listed["key"], listed["loss"], listed["stability"]["index"],
    )  # fmt: skip
    assert point.hits == listed["attraction"]["hits"]


def test_the_same_results_give_the_same_bytes(made: Atlas, kept: Path) -> None:
    content = packed(made)
    assert packed(atlas_of(PLAN, kept, workers=1)) == content
    assert content[4:8] == bytes(4)  # no time of packing
    assert Atlas.model_validate_json(gzip.decompress(content)) == made


def test_results_of_two_machines_are_not_mixed(kept: Path, made: Atlas) -> None:
    path = kept / f"{made.cells[3].id}.json"
    original = path.read_bytes()
    document = json.loads(original)
    document["provenance"]["version"] = "0.0.1"
    path.write_text(json.dumps(document))
    try:
        with pytest.raises(SystemExit, match="several releases or machines"):
            atlas_of(PLAN, kept, workers=1)
    finally:
        path.write_bytes(original)
