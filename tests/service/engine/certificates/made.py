"""Certificates of every kind, made once and handed out as copies."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from relu_landscape.engine.certificates import certify, certify_reduced
from tests.service.engine.certificates.points import anti_aligned, leaky_point

Certificate = dict[str, Any]
KINDS = [
    "fast",
    "strict",
    "reduced",
    "saddle",
    "reduced saddle",
    "global",
    "leaky",
    "leaky reduced",
]
#: Of the kinds whose units leak.
LEAK = -0.5


@cache
def _text(kind: str) -> str:
    width = {"saddle": 4, "reduced saddle": 4}.get(kind, 6)
    W = anti_aligned(width, 0 if kind == "global" else 4 if width == 4 else 1)
    leak = LEAK if kind.startswith("leaky") else 0.0
    if leak:
        W = leaky_point(width, 1, leak)
    if kind.endswith("reduced"):
        x = [[W[0, 0], W[0, 1:].sum() / 5**0.5], [W[1, 0], W[1, 1:].sum() / 5**0.5]]
        y = [None, W[1, 1] - W[1, 2]]
        found = certify_reduced([1, 5], [(1, 0), (5, 1)], x, y, leak=leak)
    elif kind == "reduced saddle":
        found = certify_reduced([4], [(4, 0)], [[W[0].sum() / 2]], [W[0, 0] - W[0, 1]])
    else:
        mode: Any = "strict" if kind == "strict" else "fast"
        found = certify(W, mode=mode, teacher_width=width, leak=leak)
    return json.dumps(found)


def make(kind: str) -> Certificate:
    """A certificate of this kind, as it was read from JSON."""
    result: Certificate = json.loads(_text(kind))
    return result
