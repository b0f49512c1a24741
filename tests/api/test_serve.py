"""``serve`` in a process of its own: ready line, refusals, quick and clean stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape_api.serve import EXIT_CONFIGURATION, bind
from tests.api.process import DEADLINE_SECONDS, ROOT, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, RELU_LANDSCAPE_SHUTDOWN_GRACE_SECONDS="50")
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_open_streams_and_waits(server: Server, number: int) -> None:
    url = server.ready_url()
    assert httpx.get(f"{url}/livez").status_code == 200
    content_id = httpx.post(f"{url}/v1/landscapes", json={"K": 2, "width": 2}).json()["id"]
    with httpx.stream("GET", f"{url}/v1/landscapes/{content_id}/events", timeout=30) as response:
        lines = response.iter_lines()
        assert next(lines) == ": connected"
        began = time.monotonic()
        server.process.send_signal(number)
        list(lines)  # the stream ends by itself
    out, err = server.process.communicate(timeout=DEADLINE_SECONDS)
    # Well below the 50 s of grace that an open stream would otherwise use up.
    assert time.monotonic() - began < 20
    assert server.process.returncode == 0
    assert out == "closed\n"  # the service was closed, and the ready line was the only other one
    assert "Traceback" not in err
    assert '"route":"/v1/landscapes/{id}/events"' in err


def test_it_stops_while_it_starts(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=DEADLINE_SECONDS)
    assert server.process.returncode in (0, -signal.SIGTERM)


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [["-m", "relu_landscape_api"], ["-m", "relu_landscape_cli.main", "serve"]],
    ids=["module", "command"],
)
def test_wrong_settings_are_refused_in_words(arguments: list[str]) -> None:
    ended = run(arguments, RELU_LANDSCAPE_PORT="many", RELU_LANDSCAPE_WORKERS="0")
    assert ended.returncode == EXIT_CONFIGURATION
    assert "RELU_LANDSCAPE_PORT='many'" in ended.stderr
    assert "RELU_LANDSCAPE_WORKERS='0'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_port_in_use_is_refused_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(
            ["-m", "relu_landscape_cli.main", "serve", "--port", str(port)],
            RELU_LANDSCAPE_DATA_DIR=str(tmp_path),
        )
    assert ended.returncode == EXIT_CONFIGURATION
    assert f"Cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_host_that_does_not_exist_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot listen on no-such-host\.invalid"):
        bind("no-such-host.invalid", 0)


def test_the_command_says_its_version() -> None:
    ended = run(["-m", "relu_landscape_cli.main", "--version"])
    assert ended.returncode == 0
    assert ended.stdout.startswith("relu-landscape ")


@pytest.mark.parametrize("module", ["relu_landscape_api.app", "relu_landscape_api.serve"])
def test_the_application_waits_for_heavy_libraries_until_it_opens(module: str) -> None:
    heavy = {"distributed", "dask", "redis", "scipy", "flint"}
    ended = run(["-c", f"import sys, {module}; print(*({heavy!r} & set(sys.modules)))"])
    assert ended.stderr == ""
    assert ended.stdout.split() == []
