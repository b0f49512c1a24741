"""Shares of descents by other rules: both documents say the same, and what the counts say."""

from __future__ import annotations

import json
import re

import pytest

from tests.house import rules_table
from tests.house.repository import ROOT

DESCENTS = rules_table.FOUND.read_text(encoding="utf-8")
VALIDATION = ROOT / "docs" / "validation.md"
#: A measured case with its table and what is said below it.
CASES = {
    f"{block[1]}-{block[2]}": (int(block[3]), block[0])
    for block in re.finditer(
        r"^(\w+), K = (\d+), M = 17, d = 1000, (\d+) starts: (?:.*\n)+?(?=\n(?:\w+, K|- \*\*))",
        DESCENTS, re.M,
    )
}  # fmt: skip
_SHARE = re.compile(r"([\d.]+)% \(([\d.]+) to ([\d.]+)\)")


def test_every_case_is_looked_at() -> None:
    told = rules_table.found(DESCENTS)
    assert set(CASES) == {f"{rule}-{width}" for rule, width in told}
    assert len(CASES) >= 6


@pytest.mark.parametrize("case", CASES)
def test_intervals_are_wilson_s_of_the_counts(case: str) -> None:
    starts, block = CASES[case]
    shares = list(_SHARE.finditer(block))
    assert shares
    for each in shares:
        hits = round(float(each[1]) * starts / 100)
        assert each[0] == rules_table.percent(hits, starts)


@pytest.mark.parametrize("case", CASES)
def test_every_start_is_accounted_for(case: str) -> None:
    """Those of the rows, those of rarer ends, and those without an end."""
    starts, block = CASES[case]
    rows = [line for line in block.splitlines() if _SHARE.search(line) and line.startswith("|")]
    hits = sum(round(float(_SHARE.findall(row)[0][0]) * starts / 100) for row in rows)
    (rare,) = re.findall(r"(\d+) starts end where fewer", block)
    others = sum(map(int, re.findall(r"^(\d+) starts: ", block, re.M)))
    assert hits + int(rare) + others == starts
    zero = _SHARE.search(block)
    assert zero is not None
    assert "g1, global | 0.0000000 |" in rows[0]
    assert zero[0] in rows[0]


def test_published_shares_are_those_of_the_paper() -> None:
    shares = json.loads(rules_table.PUBLISHED.read_text(encoding="utf-8"))["optimisers"]
    for (rule, width), here in rules_table.found(DESCENTS).items():
        share = shares[rules_table.RULES[rule]][str(width)]
        told = None if here.published == "none" else float(here.published.rstrip("%"))
        assert told == share


def test_the_validation_has_what_the_mathematics_has() -> None:
    assert VALIDATION.read_text(encoding="utf-8").endswith(rules_table.section(DESCENTS))


def test_a_case_that_was_not_run_is_said_to_be_so() -> None:
    """And one that says another figure is another section: the comparison above can fail."""
    without = re.sub(r"^two_layer, K = 17", "two_layer, K = 16", DESCENTS, flags=re.M)
    section = rules_table.section(without)
    assert "| two-layer gradient descent | 17 | 13.24% (12.6 to 13.9) | not run |  |  |" in section
    assert section != rules_table.section(DESCENTS)
    line = "| normalised gradient descent | 18 | 58.35% (57.4 to 59.3) | none exists"
    assert line in section
