"""The first digits of an id do, wherever an id is an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import pytest

from relu_landscape_cli.ids import whole_id
from relu_landscape_client import Client, Status
from relu_landscape_client._keeping import OfEveryKind
from tests.cli.conftest import Command
from tests.cli.test_commands import submit
from tests.clients.samples import ID, REQUEST
from tests.clients.served import Served


def test_the_list_shows_twelve_digits_and_every_command_takes_them(
    command: Command, server: Served, tmp_path: Path
) -> None:
    server.finish_at_once()
    submit(server, REQUEST)
    at = ("--server", server.url)
    shown = command("list", *at).stdout.splitlines()[2].split()[0]
    assert shown == ID[:12]
    assert command.json("show", shown, *at)["id"] == ID
    assert command.json("show", ID[:6].upper(), *at)["id"] == ID
    assert command.json("watch", shown, *at)["id"] == ID
    assert command.json("export", shown, tmp_path / "out.csv", *at)["id"] == ID


@pytest.mark.parametrize(
    ("written", "code", "words"),
    [
        (ID[:5], 2, "the first 6 or more will do"),
        ("nonsense.json", 2, "neither a file nor an id"),
        (f"{ID}0", 2, "neither a file nor an id"),
        ("0" * 12, 4, "no job whose id begins with 000000000000"),
    ],
)
def test_what_begins_no_id(
    command: Command, server: Served, written: str, code: int, words: str
) -> None:
    submit(server, REQUEST)
    for name in ("show", "watch"):
        assert words in command(name, written, "--server", server.url, code=code).stderr


class _Listing(Client):
    """A server with these ids, and no other answer."""

    def __init__(self, *ids: str) -> None:
        super().__init__(cache=False)
        self._ids = ids

    def jobs(self, limit: int | None = 100, **chosen: Unpack[OfEveryKind]) -> list[Status]:
        assert limit is None  # one that is not looked at would make an ambiguous id unambiguous
        (begins,) = chosen.values()
        fitting = [each for each in self._ids if each.startswith(str(begins))]
        return [Status(each, "landscape", "running") for each in fitting]


def test_digits_that_several_begin_with_are_refused_with_the_candidates(
    command: Command, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = "abcdef" + "0" * 58, "abcdef" + "0" * 20 + "1" * 38
    client = _Listing(one, other, "9" * 64)
    assert whole_id(client, "999999") == "9" * 64
    assert whole_id(client, one) == one
    assert whole_id(client, other[:27]) == other
    monkeypatch.setattr("relu_landscape_cli.looking.connect", lambda *_: client)
    error = command("watch", "abcdef", code=2).stderr
    # Twelve digits would not tell the two apart: as many are shown as do.
    assert error == (
        "relu-landscape: abcdef is the beginning of several ids: "
        f"{one[:27]} (landscape, running), {other[:27]} (landscape, running)\n"
    )


def test_of_many_candidates_some_are_named() -> None:
    client = _Listing(*(f"abcdef{number:058d}" for number in range(1000, 1009)))
    with pytest.raises(ValueError, match=r"1000 \(landscape, running\), .*and 4 more"):
        whole_id(client, "abcdef")
