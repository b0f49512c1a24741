"""One student, as long as its teacher and turned by an angle: the smallest loss there is."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import loss_accuracy
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine import oracles


@pytest.mark.parametrize("angle", [1.0, 0.3, 0.1, 0.021, 0.019, 1e-2, 1e-3, 1e-5, 1e-7])
def test_the_loss_is_known_to_all_digits_at_every_angle(angle: float) -> None:
    """Nothing cancels: it is about t^2/4, and 1e-15 of that is a few units in the last place.

    Two ways of computing sin t - t cos t meet at 0.02. The difference itself has 4e-15 at 0.019
    and 2e-10 at 1e-7; the series, cut after three terms, has 1e-12 at 0.1 and 3e-9 at 0.3. Either
    used on the wrong side is seen here, and nowhere in losses of order one.
    """
    W = np.array([[np.cos(angle), np.sin(angle)]])
    found = float(Loss.of(make_teacher(1), NUMPY).value(W[None])[0])
    wanted = float(oracles.precise_loss(W, np.array([[1.0, 0.0]])))
    # Five roundings of 1.1e-16, and 1e-32 where W is not quite as long as the teacher.
    assert found == pytest.approx(wanted, rel=1e-15, abs=1e-31)
    assert wanted == pytest.approx(angle**2 / 4, rel=angle, abs=0)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_stated_accuracy_has_the_teachers_unit(scale: float) -> None:
    """Stated for a teacher of unit length unless its mean square is given."""
    assert loss_accuracy(0.0, 7) == loss_accuracy(0.0, 7, 1.0) > 0
    assert loss_accuracy(0.0, 7, scale**2) == pytest.approx(scale**2 * loss_accuracy(0.0, 7), abs=0)
    assert loss_accuracy(2.0 * scale, 7) > loss_accuracy(0.0, 7)
    assert loss_accuracy(-scale, 7) == loss_accuracy(scale, 7)
