"""``locate``: networks in files, on the real engine and through a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relu_landscape.wire.located import Points
from tests.cli.conftest import Command
from tests.clients.served import Served

W = np.eye(2, 5) + 0.1 * np.random.default_rng(1).standard_normal((2, 5))
FAST = ("--nearest", 0, "--workers", 1)


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "weights.npz"
    np.savez(path, **arrays)
    return path


def test_one_network_is_told_in_words(command: Command, tmp_path: Path) -> None:
    file = saved(tmp_path, weights=W, teacher=np.eye(2, 5))
    found = Points.model_validate(command.json("locate", file, *FAST))
    text = command("locate", file, *FAST, "--sample-size", 100, "--certify", "fast").stdout
    assert "its end: m1, a minimum of structure 2" in text
    assert f"{found.points[0].loss:.12g}" in text
    assert "every input is fitted" in text
    assert "not proved" in text
    assert found.points[0].end == "m1"


def test_ends_with_signs_have_a_table(command: Command, tmp_path: Path) -> None:
    signs = np.array([1.0, -1.0])
    file = saved(tmp_path, weights=W, teacher=np.eye(2, 5), second_layer=signs,
                 teacher_second_layer=signs)  # fmt: skip
    text = command("locate", file, "--workers", 1).stdout
    assert "its end: g1, the teacher itself" in text
    assert "ends, with second layers of both signs" in text
    refused = command("locate", file, "--nearest", 2, "--workers", 1, code=2)
    assert "equal signs alone" in refused.stderr.replace("\n", " ")


def test_several_are_a_table_and_many_are_counted(command: Command, tmp_path: Path) -> None:
    few = saved(tmp_path, weights=np.stack([W, 1.1 * W]), teacher=np.eye(2, 5))
    text = command("locate", few, *FAST).stdout
    assert "2 networks" in text
    assert "p2" in text
    many = saved(tmp_path, weights=np.repeat(W[None], 50, axis=0), teacher=np.eye(2, 5))
    text = command("locate", many, *FAST).stdout
    assert "50 converged to an isolated fixed point" in text


def test_it_fits_eighty_columns(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = saved(tmp_path, weights=W, teacher=np.eye(2, 5))
    text = command("locate", file, *FAST).stdout
    assert max(map(len, text.splitlines())) <= 80


def test_a_matrix_alone_and_overlaps(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "w.npy"
    np.save(path, W)
    alone = command.json("locate", path, *FAST, "--no-follow", "--input-dimension", 5)
    assert alone["request"]["input_dimension"] == 5
    assert alone["points"][0]["end"] is None
    file = saved(tmp_path, Q=W @ W.T, R=W[:, :2])
    assert abs(command.json("locate", file, *FAST)["points"][0]["loss"]
               - alone["points"][0]["loss"]) < 1e-14  # fmt: skip


def test_every_field_reaches_the_server(command: Command, server: Served, tmp_path: Path) -> None:
    server.finish_at_once()
    found = command.json(
        "locate", saved(tmp_path, weights=np.eye(2)), "--teacher-width", 2, "--input-dimension", 20,
        "--single-precision", "--sample-size", 7, "--label-noise", 0.5, "--no-follow",
        "--nearest", 1, "--no-spectrum", "--no-widening", "--certify", "strict",
        "--flow-tolerance", 0.002, "--server", server.url, "--timeout", 60,
    )  # fmt: skip
    expected = {
        "teacher_width": 2, "input_dimension": 20, "single_precision": True, "sample_size": 7,
        "label_noise": 0.5, "follow": False, "nearest": 1, "spectrum": False, "widening": False,
        "certify": "strict", "flow_tolerance": 0.002,
    }  # fmt: skip
    assert {name: found["request"][name] for name in expected} == expected


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"w": W}, "there is no array 'w'"),
        ({"weights": np.zeros((1, 2))}, "leave its row out"),
        ({"weights": np.array([[None]])}, "no arrays of NumPy"),
        ({"weights": W, "teacher": np.ones((2, 5))}, "linearly independent"),
    ],
)
def test_what_cannot_be_located_is_refused(
    command: Command, tmp_path: Path, arrays: dict[str, Any], sentence: str
) -> None:
    refused = command("locate", saved(tmp_path, **arrays), code=2).stderr
    assert sentence in " ".join(refused.split())


def test_files_that_are_none_are_refused(command: Command, tmp_path: Path) -> None:
    assert "no such file" in command("locate", tmp_path / "no.npz", code=2).stderr
    (tmp_path / "text.npz").write_text("weights")
    assert "no arrays of NumPy" in command("locate", tmp_path / "text.npz", code=2).stderr
