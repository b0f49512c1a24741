"""``atlas``: what is installed, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import relu_landscape_client


def test_every_pair(command: Any) -> None:
    atlas = relu_landscape_client.atlas()
    text = command("atlas").stdout
    assert f"{len(atlas)} landscapes" in text
    assert "arXiv:2604.09412" in text
    assert all(cell.id[:12] in text for cell in atlas)
    assert command.json("atlas") == atlas.document


def test_one_pair(command: Any) -> None:
    cell = relu_landscape_client.atlas()[2, 3]
    text = command("atlas", 2, 3).stdout
    assert "2 student units, 3 teacher units" in text
    assert f"{cell.lowest_spurious_loss:.12g}" in text
    assert f"starts={cell.starts}" in text
    found = command.json("atlas", 2, 3)
    assert (found["student_width"], found["teacher_width"], found["id"]) == (2, 3, cell.id)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((2,), 2, "give both widths"),
        ((2, 512), 4, "the atlas has no (2, 512)"),
        ((0, 2), 2, "0"),
    ],
)
def test_what_cannot_be_shown(command: Any, words: Any, code: int, said: str) -> None:
    assert said in command("atlas", *words, code=code).stderr


def test_a_file(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text("{}")
    assert "holds no atlas" in command("atlas", "--file", path, code=2).stderr
    path.write_text(command("atlas", "--json").stdout)
    assert command.json("atlas", "--file", path) == relu_landscape_client.atlas().document
