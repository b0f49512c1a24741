"""Each command, with tables and with JSON, with a server and without."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from relu_landscape.jobs import local
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_client import Landscape
from tests.cli.conftest import Command
from tests.clients.samples import ID, REQUEST, SCRIPT, document, fixed_point, of_release_0_1
from tests.clients.served import Served

#: The question of the samples, in words.
ASK = ("solve", 2, 2, "--starts", 10)


def submit(server: Served, *requests: LandscapeRequest) -> None:
    """Somebody else has asked already."""

    async def each() -> None:
        for request in requests:
            await server.service.submit(request)

    server.running.wait_for(each())


def the_result(server: Served) -> Any:
    """What the server itself answers."""
    return orjson.loads(server.running.wait_for(server.service.result(ID)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A landscape in a file."""
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(document()))
    return path


def test_solving_with_a_server(command: Command, server: Served) -> None:
    text = command(*ASK, "--server", server.url).stdout
    assert "minima: 2, saddles: 1" in text
    assert "80.00 (60.00–100.00)" in text
    assert "0.0125" in text
    assert "at most 30% (95%)" in text
    assert ID in text
    assert command.json(*ASK, "--server", server.url) == the_result(server)


def test_every_option_reaches_the_server(command: Command, server: Served) -> None:
    server.finish_at_once()
    command(
        "solve", 2, 3, "--starts", 7, "--seed", 4, "--input-dimension", 50, "--init-scale", 0.5,
        "--flow-tolerance", 1e-4, "--precision", "float32", "--sampled", "--structure", "1+1",
        "--structure", "2", "--saddles", "--widen", "--certify", "fast", "--leak", -0.5,
        "--learning-rates", "0.05,0.1", "--server", server.url,
    )  # fmt: skip
    expected = {
        "student_width": 2, "teacher_width": 3, "starts": 7, "seed": 4, "input_dimension": 50,
        "init_scale": 0.5, "flow_tolerance": 1e-4, "precision": "float32",
        "structured": False, "structures": ["1+1", "2"], "saddles": True, "widen": True,
        "certify": "fast", "leak": -0.5, "learning_rates": [0.05, 0.1],
    }  # fmt: skip
    assert server.line.bodies == [expected]
    # Every field of a request can be asked for, but for a matrix, which is no word.
    assert set(expected) == set(LandscapeRequest.model_fields) - {"teacher_gram"}


@pytest.mark.usefixtures("toy_at_home")
def test_solving_without_a_server(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    words = ("solve", 2, 2, "--starts", 25, "--workers", 1, "--backend", "numpy")
    printed = command.json(*words, "--output", out)
    assert printed["digest"] == digest(printed)
    assert printed["request"]["starts"] == 25
    assert json.loads(out.read_text()) == printed
    assert "minima: 1, saddles: 0" in command(*words).stdout


def test_the_server_may_stand_in_the_environment(
    command: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELU_LANDSCAPE_SERVER", url)
    assert command.json(*ASK)["id"] == ID
    assert command.json("show", ID)["id"] == ID


def test_watching_prints_a_line_per_status(command: Command, server: Served) -> None:
    submit(server, REQUEST)
    lines = command("watch", ID, "--server", server.url, "--json").stdout.splitlines()
    *statuses, last = map(json.loads, lines)
    assert last == the_result(server)
    assert len(statuses) >= len(SCRIPT)
    assert {each["kind"] for each in statuses} == {"landscape"}
    assert {each["state"] for each in statuses} == {"queued", "running", "finished"}
    assert max(len(each["findings"]) for each in statuses) == 2


def test_watching_ends_with_the_table(command: Command, server: Served) -> None:
    submit(server, REQUEST)
    assert "minima: 2" in command("watch", ID, "--server", server.url).stdout


@pytest.mark.parametrize("word", ["show", "list"])
def test_the_list(command: Command, server: Served, word: str) -> None:
    requests = [LandscapeRequest(student_width=2, teacher_width=2, seed=seed) for seed in range(5)]
    submit(server, *requests)
    newest = [each.content_id("cpu") for each in reversed(requests)]
    listed = command.json(word, "--server", server.url, "--limit", 3)
    assert [each["id"] for each in listed] == newest[:3]
    assert {each["kind"] for each in listed} == {"landscape"}
    # As many digits as every command takes for an id.
    rows = command(word, "--server", server.url).stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == [each[:12] for each in newest]
    asked_of = {"show": "GET /v1/landscapes", "list": "GET /v1/jobs"}[word]
    assert set(server.line.asked) == {asked_of}


def test_showing_a_landscape_and_a_point(command: Command, saved: Path) -> None:
    assert "minima: 2" in command("show", saved).stdout
    expected = fixed_point("m2", 0.0125, 2).model_dump(mode="json")
    assert command.json("show", saved, "m2") == expected
    text = command("show", saved, "m2").stdout
    assert "12345678901234567890" in text  # relabelled copies, exactly
    assert "98765432109876543210" in text  # a multiplicity, exactly
    assert "0.9969" in text  # an overlap
    facts = {
        line.partition("  ")[0]: line.rstrip().rpartition("  ")[2].strip()
        for line in text.splitlines()
    }
    assert facts["relaxation time"] == "8"
    assert facts["index in the span, per perpendicular dimension"] == "0, 0"


def test_a_file_of_release_0_1_is_said_to_be_one(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(of_release_0_1()))
    for words in (("show", path), ("export", path, tmp_path / "new.npz")):
        error = command(*words, code=2).stderr
        assert "release 0.1" in error
        assert "old.json" in error


@pytest.mark.parametrize("ending", ["json", "npz", "csv"])
def test_exporting(command: Command, server: Served, tmp_path: Path, ending: str) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    path = tmp_path / f"out.{ending}"
    words = ("export", ID, path, "--server", server.url)
    assert "3 fixed points" in command(*words).stdout
    if ending != "csv":
        assert Landscape.load(path).document == the_result(server)
        return
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["key"] for row in rows] == ["m1", "m2", "s1"]
    assert float(rows[1]["loss"]) == 0.0125
    assert float(rows[2]["min_eigenvalue_span"]) == -0.0204
    assert command.json(*words) == {"id": ID, "file": str(path)}


@pytest.mark.usefixtures("toy_at_home")
def test_names_of_files_are_looked_at_before_anything_is_computed(
    command: Command, tmp_path: Path
) -> None:
    for path in (tmp_path / "out.xlsx", tmp_path / "nowhere" / "out.json"):
        error = command("solve", 2, 2, "--starts", 1000000, "-o", path, code=2).stderr
        assert str(path) in error


def _verdicts(*holds: bool | None) -> list[dict[str, Any]]:
    told = {"reason": None, "covers": ["loss"], "not_covered": ["attraction"]}
    return [{"key": f"m{n}", "holds": each, **told} for n, each in enumerate(holds)]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (_verdicts(True, True), 0),
        (_verdicts(True, None), 0),
        (_verdicts(True, False), 1),
        (_verdicts(None), 1),
        ([], 1),
    ],
)
def test_verifying(
    command: Command, saved: Path, monkeypatch: pytest.MonkeyPatch,
    verdicts: list[dict[str, Any]], code: int,
) -> None:  # fmt: skip
    """What is done with verdicts; the verifier itself has tests of its own."""
    seen: list[Any] = []

    def verify(document: Any, *, strict: bool) -> list[dict[str, Any]]:
        seen.append((document, strict))
        return verdicts

    monkeypatch.setattr(local, "verify_locally", verify)
    assert json.loads(command("verify", saved, "--json", code=code).stdout) == verdicts
    text = command("verify", "-", "--strict", code=code, stdin=saved.read_text())
    assert all(word in text.stdout for word in ("loss", "attraction")) is bool(verdicts)
    assert ("NO" in text.stdout) is any(each["holds"] is False for each in verdicts)
    assert ("no certificate" in text.stderr) is (not verdicts)
    assert seen == [(document(), False), (document(), True)]


@pytest.mark.parametrize("content", ["", "[1]", "{", "[" * 100_000])
def test_files_that_hold_no_document(command: Command, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert str(path) in command("verify", path, code=2).stderr
    assert str(path) in command("show", path, code=2).stderr
