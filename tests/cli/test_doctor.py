"""The doctor: what works is said to work, and what does not comes with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relu_landscape.errors import PoolUnavailable
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.settings import Settings
from relu_landscape_cli import doctor
from relu_landscape_cli.findings import Finding
from tests.cli.conftest import Command


@pytest.fixture
def quick_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers need seconds to begin; one test lets them."""
    fine = Finding("pool", "ok", "not looked at")
    monkeypatch.setattr(doctor, "pool", lambda settings: fine)


def _findings(command: Command, *words: str, code: int) -> dict[str, dict[str, Any]]:
    found = json.loads(command("doctor", *words, "--json", code=code).stdout)
    return {each["name"]: each for each in found}


def test_a_healthy_machine(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RELU_LANDSCAPE_DATA_DIR", str(tmp_path / "data"))
    found = _findings(command, code=0)
    assert list(found) == [
        "versions", "settings", "data folder", "store", "pool", "GPU", "kernel",
    ]  # fmt: skip
    assert {each["verdict"] for each in found.values()} <= {"ok", "note"}
    assert "embedded server starts" in found["store"]["says"]
    assert not (tmp_path / "data").exists()  # nothing is changed


@pytest.mark.usefixtures("quick_pool")
def test_settings_that_cannot_be_used(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELU_LANDSCAPE_WORKERS", "none")
    found = _findings(command, code=1)
    assert found["settings"]["verdict"] == "problem"
    assert "RELU_LANDSCAPE_WORKERS" in found["settings"]["says"]
    assert "store" not in found


@pytest.mark.usefixtures("quick_pool")
def test_a_store_that_does_not_answer(
    command: Command, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    url = f"redis://127.0.0.1:{unused_tcp_port}/0"
    monkeypatch.setenv("RELU_LANDSCAPE_REDIS_URL", url)
    monkeypatch.setenv("RELU_LANDSCAPE_REQUEST_PATIENCE_SECONDS", "0.1")
    found = _findings(command, code=1)
    assert found["store"]["verdict"] == "problem"
    assert found["store"]["remedy"]
    assert "not needed" in found["data folder"]["says"]


@pytest.mark.usefixtures("quick_pool")
def test_a_server_that_is_not_there(
    command: Command, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    found = _findings(command, "--server", url, code=1)
    assert found["server"]["verdict"] == "problem"
    assert "relu-landscape serve" in found["server"]["remedy"]


@pytest.mark.usefixtures("quick_pool")
def test_a_server_of_another_release(
    command: Command, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _findings(command, "--server", url, code=0)["server"]["verdict"] == "ok"
    monkeypatch.setattr("relu_landscape.__version__", "9.9.9")
    older = _findings(command, "--server", url, code=0)["server"]
    assert older["verdict"] == "note"
    assert "9.9.9" in older["remedy"]


def test_a_folder_that_is_full_or_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.load(data_dir=tmp_path / "deep" / "data")
    assert doctor.data_folder(settings).verdict == "ok"
    monkeypatch.setattr(doctor, "SMALLEST_FREE_BYTES", 1 << 60)
    assert "free some space" in doctor.data_folder(settings).remedy

    def refuse(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    found = doctor.data_folder(settings)
    assert found.verdict == "problem"
    assert "RELU_LANDSCAPE_DATA_DIR" in found.remedy


def test_a_pool_that_does_not_start(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(self: DaskPool) -> None:
        raise PoolUnavailable("The scheduler does not answer; start it.")

    monkeypatch.setenv("RELU_LANDSCAPE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(DaskPool, "open", fail)
    found = _findings(command, code=1)
    assert found["pool"]["says"] == "The scheduler does not answer; start it."
    assert "The scheduler does not answer" in command("doctor", code=1).stdout


def test_a_missing_distribution_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_DISTRIBUTIONS", ("numpy", "no-such-thing", "cupy-cuda13x"))
    found = doctor.versions()
    assert (found.verdict, found.remedy) == ("problem", "pip install no-such-thing")


def test_a_scheduler_that_does_not_answer_is_said_in_the_table_alone(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    """A log line stood above the table, which said "not connected yet"."""
    url = f"tcp://127.0.0.1:{unused_tcp_port}"
    environment = os.environ | {
        "RELU_LANDSCAPE_DASK_SCHEDULER": url, "RELU_LANDSCAPE_DATA_DIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "relu_landscape_cli.main", "doctor", "--json"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert found["pool"]["verdict"] == "problem"
    assert url in found["pool"]["says"]
    assert found["pool"]["remedy"] == "start the scheduler, and workers for it"
