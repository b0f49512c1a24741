"""Published tables the tests compare with; the files name their sources.

``published_equal_widths.json``: Safran, Yehudai and Shamir (COLT 2021, arXiv:2006.01005).
``published_wider_students.json``: Safran and Shamir (ICML 2018, arXiv:1712.08968).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def equal_widths() -> dict[int, list[dict[str, Any]]]:
    """Minima by width: blocks, loss, min_eigenvalue."""
    data = json.loads((HERE / "published_equal_widths.json").read_text())
    return {int(width): entry["minima"] for width, entry in data["by_width"].items()}


@cache
def wider_students() -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Points by (student width, teacher width)."""
    data = json.loads((HERE / "published_wider_students.json").read_text())
    return {
        (case["student_width"], case["teacher_width"]): case["points"] for case in data["cases"]
    }


def eigenvalue_tolerance(value: float) -> float:
    """How far an eigenvalue published with 7 significant digits can be from the exact one.

    Half a unit in the last digit; 1e-10; and what the published points themselves are off: their
    gradient is up to 1e-12, so they are up to 1e-12 / value away from the minimum, and eigenvalues
    change by at most 1.5 per unit (the largest change seen over random and adversarial moves).
    """
    unit = 10.0 ** (int(f"{value:.6e}".split("e")[1]) - 6)
    return 0.5 * unit + 1e-10 + 1.5e-12 / value
