"""What a refused teacher's sentence says is true: whoever reads it changes the matrix by it."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model.teacher import SMALLEST_CONDITION, make_teacher
from relu_landscape.errors import TeacherError


def test_the_sentence_names_the_extreme_eigenvalues() -> None:
    """Not any two: by their ratio the reader sees how far the matrix is from being accepted."""
    with pytest.raises(TeacherError, match=r"smallest eigenvalue 1e-06 .* its largest, 3\. "):
        make_teacher(4, np.diag([2.0, 1e-6, 3.0, 1.0]))


def test_the_edge_is_refused_and_what_is_above_it_is_not() -> None:
    """Diagonal, so the eigenvalues are the entries themselves; powers of two, so is their ratio."""
    scale = 2.0**13
    with pytest.raises(TeacherError, match="must exceed"):
        make_teacher(2, np.diag([SMALLEST_CONDITION * scale, scale]))
    above = float(np.nextafter(SMALLEST_CONDITION, 1.0))
    assert make_teacher(2, np.diag([above * scale, scale])).width == 2
