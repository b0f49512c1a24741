"""``keys`` and ``audit``, on a real embedded store, and a service that notices."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from relu_landscape_cli.keys import _end
from tests.cli.conftest import Command


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder whose socket path is short enough."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        monkeypatch.setenv("RELU_LANDSCAPE_DATA_DIR", name)
        yield Path(name)


def test_a_key_from_its_making_to_its_end(command: Command, folder: Path) -> None:
    limits = ("--rate", "60/minute", "--core-seconds", "90")
    made = command("keys", "create", "ada", "--scope", "read", *limits)
    key = made.stdout.strip()
    assert re.fullmatch(r"rlk_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key)
    assert key not in made.stderr
    assert "nobody can show it again" in made.stderr
    assert "revoke it first" in command("keys", "create", "ada", code=2).stderr
    other = command.json("keys", "create", "bob", "--expires", 30)
    assert other["key"].startswith(other["prefix"])
    assert (other["scope"], "digest" in other) == ("submit", False)
    listed = {each["name"]: each for each in command.json("keys", "list")}
    assert set(listed) == {"ada", "bob"}
    ada, bob = listed["ada"], listed["bob"]
    assert (ada["name"], ada["rate"], ada["expires_at"]) == ("ada", "60/minute", None)
    assert (ada["core_seconds_per_day"], ada["core_seconds_today"]) == (90, 0.0)
    ends, began = (datetime.fromisoformat(bob[name]) for name in ("expires_at", "created_at"))
    assert ends - began == timedelta(days=30)
    table = command("keys", "list").stdout
    assert "opens" in table
    assert key[13:] not in table
    assert command("keys", "revoke", key[:12]).stdout == f"ada ({key[:12]}): revoked\n"
    assert "revoked already" in command("keys", "revoke", "ada", code=4).stderr
    assert "still opens" in command("keys", "forget", "bob", code=4).stderr
    command("keys", "forget", "ada")
    assert [each["name"] for each in command.json("keys", "list")] == ["bob"]
    done = command.json("audit")
    assert [(each["who"], each["action"], each["what"].split()[0]) for each in done] == [
        ("command line", "forgot key", "ada"),
        ("command line", "revoked key", "ada"),
        ("command line", "created key", "bob"),
        ("command line", "created key", "ada"),
    ]
    assert "@" in done[0]["address"]
    assert "revoked key" in command("audit", "--limit", 2).stdout
    assert len(command.json("audit", "--limit", 3)) == 3
    # Nothing was left running.
    assert not (folder / "store" / "store.pid").exists()


def test_a_store_that_a_service_has_running_is_used_and_left_running(
    command: Command, folder: Path
) -> None:
    service = EmbeddedServer(Settings.load(data_dir=folder))
    service.open()
    try:
        before = service.process_id()
        command("keys", "create", "ada", "--data-dir", folder)
        assert [each["name"] for each in command.json("keys", "list")] == ["ada"]
        assert service.process_id() == before
    finally:
        service.close()


def test_nothing_to_list(command: Command, folder: Path) -> None:
    assert command("keys", "list").stderr == "there are no keys\n"
    assert command("audit").stderr == "nothing was done yet\n"
    assert command.json("keys", "list") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b",), "cannot be the name"),
        (("setting",), "calls somebody else"),
        (("ada", "--expires", "soon"), "write days"),
        (("ada", "--expires", "0"), "write days"),
        (("ada", "--expires", "1999-01-01"), "would open nothing"),
        (("ada", "--rate", "often"), "60/minute"),
        (("ada", "--scope", "root"), "root"),
    ],
)
def test_what_no_key_can_be(
    command: Command, folder: Path, words: tuple[str, ...], said: str
) -> None:
    assert said in command("keys", "create", *words, code=2).stderr
    assert not (folder / "store" / "appendonlydir").exists() or command.json("keys", "list") == []


def test_a_key_ends_with_its_last_day() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert _end("2026-03-31", now) == datetime(2026, 4, 1, tzinfo=UTC)
    assert _end("2", now) == datetime(2026, 1, 4, 3, 4, 5, tzinfo=UTC)
    assert _end(None, now) is None


def test_a_store_that_does_not_answer(
    command: Command, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    monkeypatch.setenv("RELU_LANDSCAPE_REDIS_URL", f"redis://127.0.0.1:{unused_tcp_port}/0")
    monkeypatch.setenv("RELU_LANDSCAPE_REQUEST_PATIENCE_SECONDS", "0.1")
    failed = command("keys", "list", "--json", code=3)
    assert json.loads(failed.stderr)["exit_code"] == 3
