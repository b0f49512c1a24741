"""The part of docs/validation.md about descents by other rules, made from two places.

What was found stands in docs/mathematics/descents.md, as ``python -m benchmarks.descents`` prints
it; what was published in tests/acceptance/data. Neither is copied by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scipy.stats import binomtest

from tests.acceptance.published import inside_difference_interval
from tests.house.repository import ROOT

FOUND = ROOT / "docs" / "mathematics" / "descents.md"
PUBLISHED = ROOT / "tests" / "acceptance" / "data" / "published_frequencies.json"
PUBLISHED_STARTS = 10_000
TEACHERS, LEVEL = 17, 0.999
RULES = {
    "gradient_descent": "gradient descent",
    "two_layer": "two-layer gradient descent",
    "normalised": "normalised gradient descent",
    "orthonormalised": "orthonormalised gradient descent",
}
#: Rules that keep students at norm 1: with K unlike M none of them has zero loss (proved).
CONSTRAINED = ("normalised", "orthonormalised")

HEAD = """
## Descents by other rules

Percent of the starts that reach zero loss with M = 17, d = 1000; published of 10,000 starts. What
is found is counted by `python -m benchmarks.descents` and stands in
[mathematics](mathematics/descents.md); intervals are Wilson's, at 95%; `agrees`: the difference is
within its interval at 99.9%. No share is published where descents are said not to converge.

With more students than teachers, zero loss is a continuum to which the loss falls as a power of
time, so a share depends on the time given and on the loss asked for. At K = 18 an independent data
set has 76.8% in 17 dimensions (above), and at K = 19 the paper has 99.63% by gradient flow, which
gradient descent of a small step follows; the last table counts those below a loss at a time.
Students held at norm 1 have no zero loss unless K = M (proved), so the share published at K = 18
must count something else.

| rule | K | published | found | starts | agrees |
|---|---|---|---|---|---|
"""

_HEADING = re.compile(
    r"^(\w+), K = (\d+), M = 17, d = 1000, (\d+) starts: zero loss "
    r"([\d.]+)% \(([\d.]+) to ([\d.]+)\), published (none|[\d.]+%)", re.M,
)  # fmt: skip
_BUDGET = re.compile(
    r"^gradient_descent, K = 18, M = 17, \d+ starts, step [\d.]+: .*\n\n(?:\|.*\n)+", re.M
)


@dataclass(frozen=True)
class Found:
    """Zero loss in so many starts, as it is told: percent and its interval."""

    hits: int
    starts: int
    told: str
    published: str


def found(text: str) -> dict[tuple[str, int], Found]:
    """What the document says, by rule and student width."""
    return {
        (rule, int(width)): Found(
            round(float(share) * int(starts) / 100), int(starts), f"{share}% ({low} to {high})",
            published,
        )
        for rule, width, starts, share, low, high, published in _HEADING.findall(text)
    }  # fmt: skip


def percent(hits: int, starts: int) -> str:
    """A share with its interval, as the benchmark prints it."""
    ends = binomtest(hits, starts).proportion_ci(0.95, "wilson")
    return f"{100 * (hits / starts):.1f}% ({100 * ends.low:.1f} to {100 * ends.high:.1f})"


def section(text: str) -> str:
    """The part of the document, from the text of docs/mathematics/descents.md."""
    budget = _BUDGET.search(text)
    return HEAD + "".join(_lines(found(text))) + ("" if budget is None else f"\n{budget[0]}")


def _lines(measured: dict[tuple[str, int], Found]) -> Iterator[str]:
    shares = json.loads(PUBLISHED.read_text(encoding="utf-8"))["optimisers"]
    for rule, name in RULES.items():
        for width in (17, 18, 19):
            share, here = shares[name][str(width)], measured.get((rule, width))
            if share is None and here is None:
                continue
            cells = [name, str(width), _published(share), *_cells(rule, width, share, here)]
            yield "| " + " | ".join(cells) + " |\n"


def _published(share: float | None) -> str:
    if share is None:
        return "none"
    told = percent(round(share * PUBLISHED_STARTS / 100), PUBLISHED_STARTS)
    return f"{share:.2f}%{told[told.index(' ') :]}"


def _cells(rule: str, width: int, share: float | None, here: Found | None) -> list[str]:
    if rule in CONSTRAINED and width != TEACHERS:
        return ["none exists: the loss is at least (K - M)^2 / (4 pi)", "", ""]
    if here is None:
        return ["not run", "", ""]
    if share is None:
        return [here.told, str(here.starts), ""]
    agrees = inside_difference_interval(
        here.hits, here.starts, share / 100, PUBLISHED_STARTS, LEVEL
    )
    return [here.told, str(here.starts), "yes" if agrees else "no"]
