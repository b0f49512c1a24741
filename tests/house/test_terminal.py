"""The recorded session: its commands are the recorder's, and the command line takes them."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from relu_landscape_cli.main import app
from tools import record_terminal


def _typed() -> list[str]:
    """The commands that are typed in the cast, letter by letter."""
    screen = "".join(text for _, _, text in _events())
    return re.findall(r"^\$ (.+)\r$", screen, re.M)


def _events() -> list[tuple[float, str, str]]:
    lines = record_terminal.CAST.read_text(encoding="utf-8").splitlines()
    return [(at, kind, text) for at, kind, text in map(json.loads, lines[1:])]


def test_the_recording_is_of_the_recorder_s_commands() -> None:
    assert _typed() == list(record_terminal.COMMANDS)
    page = record_terminal.PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\$ (.+)$", page, re.M) == list(record_terminal.COMMANDS)


def test_it_is_an_asciicast_of_a_minute_and_a_half() -> None:
    head = json.loads(record_terminal.CAST.read_text(encoding="utf-8").splitlines()[0])
    assert (head["version"], head["width"]) == (2, record_terminal.WIDTH)
    times = [at for at, _, _ in _events()]
    assert times == sorted(times)
    assert {kind for _, kind, _ in _events()} == {"o"}
    assert 60 <= times[-1] + record_terminal.READING_SECONDS <= 120
    screen = "".join(text for _, _, text in _events())
    assert all(len(line) <= record_terminal.WIDTH for line in screen.split("\r\n"))


@pytest.mark.parametrize("command", record_terminal.COMMANDS)
def test_the_command_line_still_takes_it(command: str) -> None:
    """Its parser is asked, with ``--help`` behind the options, which runs nothing."""
    answer = CliRunner().invoke(app, [*command.split()[1:], "--help"])
    assert answer.exit_code == 0, answer.output
    name, options = command.split()[1], re.findall(r" (--?[a-z][a-z-]*)", command)
    for option in options:
        assert option in answer.output, f"{name} has no {option}"


def test_a_cast_is_typed_then_answered() -> None:
    text = record_terminal.cast([("relu-landscape x", "one\ntwo\n", 1.5)])
    *typed, end, answer = [json.loads(line) for line in text.splitlines()[1:]]
    assert "".join(each[2] for each in typed) == "$ relu-landscape x"
    assert end[2] == "\r\n"
    assert answer[2] == "one\r\ntwo\r\n"
    assert answer[0] - end[0] == 1.5
