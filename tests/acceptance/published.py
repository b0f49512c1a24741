"""Published tables (figures and citations in data/*.json), and the statistics to compare with."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.usual import CHOICE

DATA = Path(__file__).parent / "data"


@cache
def table(name: str) -> Any:
    """One of the published tables."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


@cache
def landscape(**request: Any) -> Any:
    """A landscape in JSON types, computed in worker processes, once per request."""
    return solve_locally(LandscapeRequest.model_validate(request), kernel=CHOICE).result


def hits(point: dict[str, Any]) -> int:
    """Starts credited to a fixed point."""
    return 0 if point["attraction"] is None else int(point["attraction"]["hits"])


def nearest(points: Sequence[dict[str, Any]], loss: float) -> dict[str, Any]:
    """The fixed point with the loss closest to ``loss``."""
    return min(points, key=lambda point: abs(point["loss"] - loss))


def two_sample_p_value(first: Sequence[int], second: Sequence[int], *, seed: int = 0) -> float:
    """Whether two lists of counts come from one distribution over the same categories.

    Pearson's statistic of the 2 x n table, its null distribution by 20,000 random tables with the
    same margins (most categories have few counts, so the chi-squared limit would not do).
    """
    counts = np.array([first, second])
    counts = counts[:, counts.sum(axis=0) > 0]
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    expected = np.outer(rows, columns) / rows.sum()
    observed = ((counts - expected) ** 2 / expected).sum()
    rng = np.random.default_rng(seed)
    tables = rng.multivariate_hypergeometric(columns, rows[0], size=20_000)
    both = np.stack([tables, columns - tables], axis=1)
    statistics = ((both - expected) ** 2 / expected).sum(axis=(1, 2))
    # The observed table is one of the possible ones: the p value is never zero.
    return float((1 + np.sum(statistics >= observed - 1e-9)) / (1 + len(statistics)))


def inside_difference_interval(
    hits_found: int, starts: int, published_share: float, published_starts: int, level: float
) -> bool:
    """Whether two proportions agree: their difference within the pooled normal interval."""
    pooled = (hits_found + published_share * published_starts) / (starts + published_starts)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / starts + 1 / published_starts))
    quantile = float(norm.ppf(0.5 + level / 2))
    return abs(hits_found / starts - published_share) <= quantile * spread
