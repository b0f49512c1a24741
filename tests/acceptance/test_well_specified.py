"""K = M = d from 6 to 20 against 500 gradient descent runs per width.

Safran, Yehudai and Shamir, arXiv:2006.01005.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.published import hits, landscape, nearest, table, two_sample_p_value

pytestmark = pytest.mark.acceptance

WIDTHS = (6, 7, 8, 9, 10, 12, 14, 20)
STARTS = 2_000


@pytest.mark.parametrize("width", WIDTHS)
def test_published_minima(width: int, validation_row: Callable[..., None]) -> None:
    published = table("well_specified_minima")["by_width"][str(width)]
    found = landscape(
        student_width=width,
        teacher_width=width,
        input_dimension=width,
        starts=STARTS,
        structured=False,
    )
    points = found["fixed_points"]
    minima = [point for point in points if point["kind"] == "minimum"]
    matched = [nearest(minima, entry["loss"]) for entry in published["minima"]]
    common = [e["count"] >= 0.01 * published["runs"] for e in published["minima"]]
    loss_error = eigenvalue_error = 0.0
    counts, published_counts = [], []
    for entry, point, is_common in zip(published["minima"], matched, common, strict=True):
        is_same = abs(point["loss"] - entry["loss"]) < 1e-9
        counts.append(hits(point) if is_same else 0)
        published_counts.append(entry["count"])
        if is_common:
            loss_error = max(loss_error, abs(point["loss"] - entry["loss"]))
            smallest = point["stability"]["min_eigenvalue_span"]
            eigenvalue_error = max(eigenvalue_error, abs(smallest - entry["min_eigenvalue"]))
    rest = sum(map(hits, minima)) - sum(counts)
    counts.append(rest)
    published_counts.append(0)
    p_value = two_sample_p_value(counts, published_counts)
    number = sum(common)
    validation_row(f"width {width}: minima of at least 1% of 500 runs", number, number)
    validation_row(f"width {width}: largest error of loss, eigenvalue", "1e-9, 1e-6",
                   f"{loss_error:.1g}, {eigenvalue_error:.1g}")  # fmt: skip
    validation_row(
        f"width {width}: frequencies, two-sample test", "p > 0.001", f"p = {p_value:.3f}"
    )
    assert found["starts"]["failed"] == 0
    assert sum(counts) == STARTS
    assert loss_error < 1e-9
    assert eigenvalue_error < 1e-6
    assert p_value > 0.001


def test_frequencies_in_high_dimension(validation_row: Callable[..., None]) -> None:
    """K = M = 17, d = 1000, 10,000 starts, by number of anti-aligned students.

    Huang, Loureiro and Sarao Mannelli, arXiv:2604.09412.
    """
    published = table("published_frequencies")["families"]["17"]
    starts = 10_000
    found = landscape(
        student_width=17, teacher_width=17, input_dimension=1000, starts=starts, structured=False
    )
    by_number = dict.fromkeys(range(18), 0)
    for point in found["fixed_points"]:
        by_number[point["structure"]["anti_aligned"]] += hits(point)
    quantile = 3.2905  # two-sided 99.9%
    for number, percent in published.items():
        share, expected = by_number[int(number)] / starts, percent / 100
        pooled = (share + expected) / 2
        half = quantile * (pooled * (1 - pooled) * 2 / starts) ** 0.5
        validation_row(f"width 17, d = 1000: {number} anti-aligned", f"{percent}%",
                       f"{100 * share:.2f}% (99.9%: ±{100 * half:.2f})")  # fmt: skip
        assert abs(share - expected) < half
    assert found["starts"]["failed"] == 0
