"""Exit codes: every expected error has one, and scripts can rely on them."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stamina.instrumentation
import typer.main

from relu_landscape import errors as service
from relu_landscape_cli import exits
from relu_landscape_cli.main import app
from relu_landscape_client import errors as client
from tests.cli.conftest import Command
from tests.cli.test_commands import ASK, submit
from tests.clients.faulty import name_of, problem
from tests.clients.samples import ID, OTHER_ID, REQUEST, Step
from tests.clients.served import Served
from tests.house.repository import ROOT


def _kinds() -> list[type[Exception]]:
    trees = ((service, service.LandscapeError), (client, client.ClientError))
    return [
        kind
        for module, base in trees
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, base)
    ]


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_expected_error_has_a_code(kind: type[Exception]) -> None:
    code = exits.code_of(kind.__new__(kind))
    assert code is not None
    assert code not in (exits.Exit.DONE, exits.Exit.INTERRUPTED)


def test_the_same_fault_has_the_same_code_with_and_without_a_server() -> None:
    for name in ("NotFound", "Busy"):
        kinds = (getattr(service, name), getattr(client, name))
        assert len({exits.code_of(kind.__new__(kind)) for kind in kinds}) == 1


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    assert exits.code_of(ZeroDivisionError()) is None
    with pytest.raises(ZeroDivisionError), exits.reporting(as_json=False):
        raise ZeroDivisionError


def test_the_codes_are_documented() -> None:
    for code in exits.Exit:
        assert re.search(rf"^ *{code.value} ", exits.__doc__ or "", re.M), code


@pytest.mark.parametrize(
    ("status", "code"), [(400, 2), (401, 2), (404, 4), (422, 2), (429, 3), (500, 3), (503, 3)]
)
def test_refusals(command: Command, server: Served, status: int, code: int) -> None:
    server.line.refuse_first = [problem(status, "No", "Because.") for _ in range(9)]
    error = command(*ASK, "--server", server.url, code=code).stderr
    assert error == f"relu-landscape: {status} No: Because.\n"


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (lambda job: job.fail("no luck"), 1, "no luck"),
        (lambda job: job.become("cancelled"), 5, "was cancelled"),
    ],
    ids=["failed", "cancelled"],
)
def test_ends_that_are_none(
    command: Command, server: Served, step: Step, code: int, words: str
) -> None:
    server.script = (step,)
    submit(server, REQUEST)
    assert words in command("watch", ID, "--server", server.url, code=code).stderr


def test_time_is_over(command: Command, server: Served) -> None:
    server.line.instead = lambda request: (
        problem(404, "Not found", "There are no streams here.")
        if name_of(request).endswith("/events")
        else None
    )
    submit(server, REQUEST)
    words = ("watch", ID, "--timeout", 0.05, "--server", server.url)
    assert "goes on" in command(*words, code=5).stderr


def test_an_absent_server_is_said_at_once_with_the_remedy(
    command: Command, unused_tcp_port: int
) -> None:
    """It used to be asked again for ten seconds, and the sentence was an error number."""
    url = f"http://127.0.0.1:{unused_tcp_port}"
    for words in (("show",), ("list",), ("watch", ID), ASK, ("families", "1+6", 7)):
        result = command(*words, "--server", url, code=3)
        assert (result.stdout, result.stderr) == (
            "",
            f"relu-landscape: the server at {url} cannot be reached (Connection refused); start "
            "one there with 'relu-landscape serve', or name another with --server URL\n",
        )
    assert "no address" in command("show", "--server", "nonsense", code=2).stderr


def test_an_absent_server_is_asked_once(command: Command, server: Served) -> None:
    def refuse(request: httpx2.Request) -> None:
        raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)

    server.line.instead = refuse
    command("list", "--server", server.url, code=3)
    assert len(server.line.asked) == 1


def test_a_server_that_restarts_in_the_middle_is_waited_for_without_a_word(
    command: Command, server: Served
) -> None:
    """Whatever logs repeated calls (logging, structlog, Prometheus) is told of none."""
    submit(server, REQUEST)

    def vanish(request: httpx2.Request) -> None:
        if len(server.line.asked) in (2, 3):  # the stream, then the next look at the status
            raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)

    server.line.instead = vanish
    result = command("watch", ID, "--server", server.url)
    assert "minima: 2" in result.stdout
    assert result.stderr == ""
    assert stamina.instrumentation.get_on_retry_hooks() == ()


def test_what_is_not_there(command: Command, server: Served, tmp_path: Path) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    assert "404" in command("show", OTHER_ID, "--server", server.url, code=4).stderr
    assert "m9" in command("show", ID, "m9", "--server", server.url, code=4).stderr
    assert "absent" in command("verify", tmp_path / "absent.json", code=2).stderr


@pytest.mark.usefixtures("toy_at_home")
def test_without_a_server(command: Command) -> None:
    words = ("--workers", 1, "--backend", "numpy")
    assert "student_width = 0" in command("solve", 0, 2, code=2).stderr
    error = command("solve", 5, 5, "--input-dimension", 2, code=2).stderr
    assert error == (
        "relu-landscape: input_dimension = 2 is not accepted: at least the teacher width, 5\n"
    )
    assert (
        "divides by zero" in command("solve", 2, 2, "--structure", "raise", *words, code=1).stderr
    )


def test_errors_are_json_where_json_was_asked_for(command: Command, url: str) -> None:
    result = command("show", OTHER_ID, "--server", url, "--json", code=4)
    assert result.stdout == ""
    error = json.loads(result.stderr)
    assert error["exit_code"] == 4
    assert error["type"] == "NotFound"


def _commands(group: Any = None, before: str = "") -> dict[str, Any]:
    """Every command by its words, those of a group after the group's."""
    group = typer.main.get_command(app) if group is None else group
    assert isinstance(group, typer.core.TyperGroup)
    found: dict[str, Any] = {}
    for name, each in group.commands.items():
        is_group = isinstance(each, typer.core.TyperGroup)
        words = f"{before}{name}"
        found |= _commands(each, f"{words} ") if is_group else {words: each}
    return found


def test_the_commands_are_the_documented_ones() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z-]+(?: [a-z-]+)*)[^`]*` \|", text, re.M)
    assert documented == list(_commands())


def test_the_codes_of_the_document_are_those_of_the_program() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.M)] == list(exits.Exit)


#: ``serve`` prints an address, and what ``mcp`` prints is a protocol's.
@pytest.mark.parametrize("name", sorted(set(_commands()) - {"serve", "mcp"}))
def test_json_everywhere_and_help_with_every_option(name: str, command: Command) -> None:
    parameters = _commands()[name].params
    assert any("--json" in each.opts for each in parameters)
    silent = [each.name for each in parameters if not getattr(each, "help", None)]
    assert silent == []
    assert "Usage" in command(*name.split(), "--help").stdout


def test_an_interrupt_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl+C on the real command, in its own process group as a terminal would have it."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "relu_landscape_cli.main", "solve", "16", "16",
         "--starts", "1000000", "--sampled", "--workers", "1", "--backend", "numpy", "--quiet"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        _await_child(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=120)
    finally:
        # The whole group, so that a failing test leaves no busy process behind.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert (process.returncode, out, error) == (130, "", "relu-landscape: interrupted\n")


def _await_child(pid: int) -> None:
    """Wait until a worker process has begun: then the command is past its imports."""
    import psutil

    parent = psutil.Process(pid)
    deadline = threading.Event()
    for _ in range(1200):
        if any("spawn_main" in " ".join(each.cmdline()) for each in parent.children()):
            return
        deadline.wait(0.1)
    raise AssertionError("no worker began within two minutes")


def test_help_is_quick_and_light() -> None:
    """A person asks for help: no numerics, no server, no HTTP library is loaded for that."""
    code = (
        "import sys; import relu_landscape_cli.main\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {"numpy", "scipy", "fastapi", "distributed", "redis", "pydantic", "httpx2", "flint"}
    assert heavy & set(loaded) == set()
