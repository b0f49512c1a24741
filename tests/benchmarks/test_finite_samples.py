"""The example of training on finite samples, in its short form."""

from __future__ import annotations

from benchmarks.finite_samples import SHORT, line


def test_a_trained_network_is_as_far_from_its_minimum_as_the_sample_size_predicts() -> None:
    """Eight students in d = 20, n = 10,000: beside the minimum with one anti-aligned student.

    The squared distance is a sum over modes, of which the few softest make most: it is within a
    factor of four of its mean but for one sample in a hundred (three modes of equal weight, say).
    """
    seed, n, d, steps = SHORT
    text, ratio = line(seed, n, d, steps)
    assert " 1+7 " in text
    assert " 0.02150804 " in text
    assert ratio is not None
    assert 0.5 < ratio < 2.0
