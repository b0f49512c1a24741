"""Fixtures of the command line's tests."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from typer.testing import CliRunner, Result

import relu_landscape_client
from relu_landscape.analyses import Registry
from relu_landscape.jobs import local
from relu_landscape_cli.main import app
from relu_landscape_client import Client
from tests.clients.served import Served, application, served
from tests.house.repository import ROOT
from tests.service.jobs.toy_engine import TOY
from tests.serving import Running


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An engine that computes nothing hard and misbehaves on request; fresh processes find it."""
    monkeypatch.syspath_prepend(str(ROOT))
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{path}" if path else str(ROOT))
    return TOY


@pytest.fixture
def toy_at_home(toy: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server ``solve`` computes with the toy, in one process."""
    solve = functools.partial(local.solve_locally, registry=toy)
    monkeypatch.setattr(local, "solve_locally", solve)


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
    monkeypatch.setenv("COLUMNS", "120")  # as in a pipe, whatever terminal runs the tests
    with stamina.set_testing(True, attempts=2):
        yield Command()


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """The application, shared; each test puts a service of its own behind it."""
    with application() as opened:
        yield opened


@pytest.fixture
def server(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The application with jobs under the test's hand; the commands' line to it can be spoiled."""
    with served(running) as fresh:

        def connect(url: str, api_key: str | None = None, **options: Any) -> Client:
            return Client(url, api_key, transport=fresh.line.plain(), **options)

        monkeypatch.setattr(relu_landscape_client, "Client", connect)
        yield fresh


@pytest.fixture
def url(server: Served) -> str:
    """The address of a server."""
    return server.url
