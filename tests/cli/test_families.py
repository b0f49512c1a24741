"""``families``: without a server on the real engine, which takes a second; and with one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from relu_landscape.errors import InputError
from relu_landscape.wire.families import ContinuationQuery, FamilyQuery
from relu_landscape_cli.questions import validated
from tests.cli.conftest import Command
from tests.clients.samples import family
from tests.clients.served import Served


def test_a_family_at_a_width_that_needs_all_digits(command: Command) -> None:
    found = command.json("families", "one-anti-aligned", 10**9)
    assert found["structure"] == "1+999999999"
    span = [int(line["multiplicity"]) for line in found["spectrum"] if line["space"] == "span"]
    assert sum(span) == 10**18
    text = command("families", "one-anti-aligned", 10**9).stdout
    assert "1+999999999" in text
    assert "minimum" in text


def test_a_family_by_name_loads_nothing_for_nothing() -> None:
    """More than half of the time went into SciPy, igraph (with matplotlib) and Arb, all unused."""
    code = (
        "import sys; from relu_landscape_cli.main import app\n"
        "try: app(['families', '1+6', '7', '--json'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["structure"] == "1+6"
    heavy = {"scipy", "igraph", "matplotlib", "flint", "distributed", "fastapi", "httpx2", "pandas"}
    assert heavy & set(done.stderr.split()) == set()


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
        ("1+6", 7, "--leak", 0.95),
    ],
)  # fmt: skip
def test_what_there_is_not(command: Command, words: tuple[object, ...]) -> None:
    assert command("families", *words, code=2).stderr.startswith("relu-landscape: ")


def test_units_that_leak(command: Command) -> None:
    found = command.json("families", "1+5", 6, "--leak", -0.5)
    assert found["leak"] == found["point"]["leak"] == -0.5
    # Of the landscape with this leak, docs/mathematics/leak.md.
    assert round(found["loss"], 6) == 0.046076
    assert "leak -0.5" in " ".join(command("families", "1+5", 6, "--leak", -0.5).stdout.split())
    along = command.json("families", "1+*", 6, "--leak", -0.5, "--to", 7, "--points", 2)
    assert along["leak"] == -0.5
    assert along["points"][0]["loss"] == found["loss"]
    assert "leak" not in command.json("families", "1+5", 6)


def test_a_proof_on_request(command: Command) -> None:
    found = command.json("families", "1+6", 7, "--certify")
    assert found["certificate"]["verdict"] == "minimum"
    assert found["certificate"]["index_span"] == 0


def test_every_field_of_a_question_reaches_the_server(command: Command, server: Served) -> None:
    words = ("--branch", 2, "--leak", -0.5, "--server", server.url)
    found = command.json("families", "one-anti-aligned", 10**9, "--certify", *words)
    assert found == family().model_dump(mode="json")
    along = command.json("families", "1+*", 5.5, "--to", 7, "--points", 3, *words, "--around-folds")
    assert [point["width"] for point in along["points"]] == [5.0, 6.0, 7.0]
    (_, one), (_, other) = server.service.called
    assert one == FamilyQuery(
        student_width=10**9, teacher_width=10**9, structure="one-anti-aligned", branch=2,
        certify=True, leak=-0.5,
    )  # fmt: skip
    assert other == ContinuationQuery(
        structure="1+*", from_width=5.5, to_width=7.0, points=3, branch=2, around_folds=True,
        leak=-0.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"student_width": 7, "teacher_width": 0, "structure": ""},
            "teacher_width = 0: Input should be greater than or equal to 1; "
            "structure = '': String should have at least 1 character",
        ),
        (
            {"student_width": 7.5, "teacher_width": 7, "structure": "1+6"},
            "student_width = 7.5: Input should be a valid integer",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_field_by_field(
    values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        validated(FamilyQuery, values)
    assert str(caught.value) == sentence
