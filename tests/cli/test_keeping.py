"""``backup`` and ``restore``, on stores that no service uses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from relu_landscape.jobs.backup import kept
from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.settings import Settings
from tests.cli.conftest import Command

JOB = "c" * 64
DOCUMENT = {"id": JOB, "loss": 0.25}
RESULT = orjson.dumps(DOCUMENT | {"digest": digest(DOCUMENT)})
WHOLE = Bundle(JOB, {"kind": "landscape", "created": "1"}, RESULT, {"m1": b"[1]"})
WRONG = Bundle("d" * 64, {"kind": "landscape", "created": "2"}, b'{"id":"d"}', {})


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket's path, wherever pytest keeps its own."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        yield Path(name)


def _fill(data_dir: Path, *bundles: Bundle) -> None:
    with kept(Settings.load(data_dir=data_dir)) as store:
        for bundle in bundles:
            assert store.shelf.restore(bundle) == "restored"


def test_what_was_backed_up_is_restored_elsewhere(command: Command, folder: Path) -> None:
    _fill(folder / "a", WHOLE)
    said = command("backup", folder / "b.tar", "--data-dir", folder / "a").stdout
    assert f"{folder / 'b.tar'}: 1 finished jobs, " in said
    words = ("restore", folder / "b.tar", "--data-dir", folder / "c")
    assert command(*words).stdout == "1 restored, 0 there already, 0 refused\n"
    assert command.json(*words) == {"restored": [], "there": [JOB], "refused": {}}
    with kept(Settings.load(data_dir=folder / "c")) as store:
        assert store.shelf.bundle(JOB) == WHOLE


def test_what_is_damaged_is_named_and_the_code_says_so(command: Command, folder: Path) -> None:
    _fill(folder / "a", WHOLE, WRONG)
    assert command.json("backup", folder / "b.tar", "--data-dir", folder / "a")["jobs"] == 2
    result = command("restore", folder / "b.tar", "--data-dir", folder / "c", code=1)
    assert result.stdout == "1 restored, 0 there already, 1 refused\n"
    assert f"{WRONG.job}: refused: its result has another id or digest" in result.stderr


def test_files_and_settings_that_cannot_be_used(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--data-dir", folder / "a")
    assert "No such file" in command("restore", folder / "none", *words, code=2).stderr
    (folder / "no.tar").write_bytes(b"x" * 2000)
    assert "as a backup" in command("restore", folder / "no.tar", *words, code=2).stderr
    assert "No such file" in command("backup", folder / "no" / "b.tar", *words, code=2).stderr
    monkeypatch.setenv("RELU_LANDSCAPE_ARCHIVE", "ftp://somewhere")
    assert "RELU_LANDSCAPE_ARCHIVE" in command("backup", folder / "b.tar", code=2).stderr
