"""``families`` without a server, on the real engine: it takes a second."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Command


def test_a_family_at_a_width_that_needs_all_digits(command: Command) -> None:
    found = command.json("families", "one-anti-aligned", 10**9)
    assert found["structure"] == "1+999999999"
    span = [int(line["multiplicity"]) for line in found["spectrum"] if line["space"] == "span"]
    assert sum(span) == 10**18
    text = command("families", "one-anti-aligned", 10**9).stdout
    assert "1+999999999" in text
    assert "minimum" in text


def test_branches_can_be_chosen(command: Command) -> None:
    first, second = (command.json("families", "1+6", 7, "--branch", number) for number in (1, 2))
    # Safran and Shamir's minimum of width 7 (arXiv:1712.08968), as random starts find it.
    assert first["loss"] == pytest.approx(0.0232027149136, abs=1e-12)
    assert second["loss"] == first["branches"][1]["loss"]
    assert "0.0232027149136" in command("families", "1+6", 7).stdout


def test_along_the_width(command: Command) -> None:
    words = ("families", "one-anti-aligned", 5, "--to", 7, "--points", 4)
    found = command.json(*words)
    assert [point["width"] for point in found["points"]][::3] == [5.0, 7.0]
    assert [point["is_stable"] for point in found["points"]][::3] == [False, True]
    text = command(*words).stdout
    assert "stable below" in text


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense", 5), ("1+6", 8), ("1+6", 7, "--branch", 99), ("1+6", 7.5),
        ("1+6", 7, "--to", 9), ("1+*", 0.5, "--to", 9),
    ],
)  # fmt: skip
def test_what_there_is_not(command: Command, words: tuple[object, ...]) -> None:
    assert command("families", *words, code=2).stderr.startswith("relu-landscape: ")
