"""The atlas in the client: opened without a server, by widths, as tables, and from files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import relu_landscape_client
from relu_landscape_client import Atlas, FileError, NotFound, ProtocolError


@pytest.fixture
def atlas() -> Atlas:
    return relu_landscape_client.atlas()


def test_it_holds_what_is_installed(atlas: Atlas) -> None:
    folder = Path(relu_landscape_client.__file__).parent
    document = json.loads(gzip.decompress((folder / "data" / "atlas.json.gz").read_bytes()))
    assert atlas.document == document
    assert len(atlas) == len(document["cells"]) >= 16
    assert atlas.licence == "CC-BY-4.0"
    assert f"{len(atlas)} landscapes" in repr(atlas)
    for cell, given in zip(atlas, document["cells"], strict=True):
        assert (cell.id, cell.options) == (given["id"], given["options"])
        low, high = cell.zero_loss_interval_95 or (None, None)
        assert [low, high] == given["zero_loss_interval_95"]
        assert [point.loss for point in cell.fixed_points] == [
            point["loss"] for point in given["fixed_points"]
        ]


def test_by_widths(atlas: Atlas) -> None:
    """Student first, teacher second: three students of two teachers are not two of three."""
    assert (atlas[3, 2].student_width, atlas[3, 2].teacher_width) == (3, 2)
    assert atlas[3, 2].zero_loss_hits == atlas[3, 2].starts
    assert atlas[2, 3].zero_loss_hits == 0
    assert (2, 3) in atlas
    assert (2, 513) not in atlas


@pytest.mark.parametrize("widths", [(2, 513), 2, (1, 2, 3), [2, 2]])
def test_what_it_lacks_is_not_found(atlas: Atlas, widths: Any) -> None:
    with pytest.raises(NotFound, match="the atlas has no"):
        atlas[widths]


def test_as_tables(atlas: Atlas) -> None:
    cells = atlas.to_dataframe()
    assert len(cells) == len(atlas)
    table = cells.set_index(["student_width", "teacher_width"])
    assert table.loc[(1, 2), "lowest_spurious_loss"] == atlas[1, 2].lowest_spurious_loss
    assert cells["zero_loss_hits"].dtype == "Int64"
    points = atlas.to_dataframe(fixed_points=True)
    assert len(points) == sum(len(cell.fixed_points) for cell in atlas)
    here = points[(points["student_width"] == 4) & (points["teacher_width"] == 4)]
    assert list(here["loss"]) == [point.loss for point in atlas[4, 4].fixed_points]
    assert here.iloc[0]["orbit_size"] == 24
    assert points["certified"].dtype == bool


def test_counts_beyond_doubles_are_exact(atlas: Atlas) -> None:
    document = json.loads(json.dumps(atlas.document))
    document["cells"][0]["fixed_points"][0]["orbit_size"] = "239500800000000001"
    document["cells"][0]["saddles"] = None
    changed = Atlas.from_document(document)
    assert changed.cells[0].fixed_points[0].orbit_size == 239500800000000001
    assert changed.to_dataframe(fixed_points=True).iloc[0]["orbit_size"] == 239500800000000001
    assert changed.to_dataframe()["saddles"].isna()[0]


def test_from_files(atlas: Atlas, tmp_path: Path) -> None:
    text = json.dumps(atlas.document).encode()
    for name, content in (("a.json", text), ("a.json.gz", gzip.compress(text))):
        (tmp_path / name).write_bytes(content)
        assert relu_landscape_client.atlas(tmp_path / name).cells == atlas.cells


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"format": "x"}', b"\x1f\x8b", gzip.compress(b"{}")[:-4],
                gzip.compress(b"{}"), b"\x1f\x8b\x08" + b"\0" * 30],
)  # fmt: skip
def test_what_is_no_atlas_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "atlas.json.gz"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"atlas\.json\.gz holds no atlas"):
        relu_landscape_client.atlas(path)


def test_another_format_is_not_read(atlas: Atlas) -> None:
    with pytest.raises(ProtocolError, match="'relu-landscape atlas 2' is not read"):
        Atlas.from_document({**atlas.document, "format": "relu-landscape atlas 2"})
