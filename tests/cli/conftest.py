"""Fixtures of the command line's tests."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import stamina
from relu_landscape.jobs.engine import Engine
from typer.testing import CliRunner, Result

from relu_landscape.jobs import local
from relu_landscape_cli.main import app
from tests.clients.fake import FakeServer
from tests.clients.socket_server import listening
from tests.house.repository import ROOT

#: The jobs' toy engine, under a name that fresh processes can import as well.
TOY = Engine(
    solve="tests.service.jobs.toy_engine:solve",
    run_task="tests.service.jobs.toy_engine:run_task",
    calls="tests.service.jobs.toy_engine:CALLS",
)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that computes nothing hard and misbehaves on request."""
    monkeypatch.syspath_prepend(str(ROOT))
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{path}" if path else str(ROOT))
    return TOY


@pytest.fixture
def toy_at_home(toy: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the commands compute with the toy, in one process."""
    for name in ("solve_locally", "call_locally"):
        monkeypatch.setattr(local, name, functools.partial(getattr(local, name), engine=toy))


class Command:
    """Runs ``relu-landscape`` in this process."""

    def __init__(self) -> None:
        self._runner = CliRunner()

    def __call__(self, *words: object, code: int = 0, stdin: str = "") -> Result:
        """The result; its exit code must be ``code``."""
        result = self._runner.invoke(app, [str(word) for word in words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (result.stdout, result.stderr)
        return result

    def json(self, *words: object) -> Any:
        """What ``--json`` prints: exactly one document, and nothing else."""
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Command]:
    """The command, with a cache of its own and no waits between tries."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with stamina.set_testing(True, attempts=2):
        yield Command()


@pytest.fixture
def address_of() -> Iterator[Callable[[FakeServer], str]]:
    """Put fake servers on sockets, until the test ends."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(listening(server))


@pytest.fixture
def url(address_of: Callable[[FakeServer], str]) -> str:
    """The address of a well-behaved fake server."""
    return address_of(FakeServer())
