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


def half_a_unit(value: float) -> float:
    """Half a unit in the last digit of an eigenvalue published with 7 significant digits."""
    digits = f"{value:.6e}"
    return 0.5 * 10.0 ** (int(digits.split("e")[1]) - 6) * 1.01  # 1%: values rounded twice
