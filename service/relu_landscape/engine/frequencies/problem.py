"""What is asked, in the engine's own terms: the landscape of these widths, and SGD in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.dynamics.chain import Layout
from relu_landscape.engine.dynamics.ode import Noise
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.units import in_unit, unit_of
from relu_landscape.engine.model import activation
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from relu_landscape.errors import RequestError
from relu_landscape.wire.frequencies import FrequenciesRequest, check_effort


@dataclass(frozen=True)
class Problem(landscape.Problem):
    """Frequencies to find; fields as in ``wire.frequencies.FrequenciesRequest``.

    As a landscape it is the one of the same seed and starts. ``rates``: learning rates, absolute,
    and ``noises``: SGD at each of them, in the unit of ``model.activation``; ``steps`` of SGD, by
    learning rate, after which runs are looked at, ascending; ``critical`` is the largest stable
    learning rate of the global minimum, None where it is not known.
    """

    rates: tuple[float, ...]
    noises: tuple[Noise, ...]
    steps: tuple[tuple[int, ...], ...]
    critical: float | None

    @property
    def layout(self) -> Layout:
        """How SGD draws its inputs, whatever the learning rate."""
        batch = self.noises[0].batch_size
        return Layout.of(self.students, self.teachers, self.dimension, batch)

    def time_of(self, rate: int, step: int) -> float:
        """Time gamma n / d after n steps at learning rate number ``rate``."""
        return step * self.rates[rate] / self.dimension


def of_frequencies(request: FrequenciesRequest) -> Problem:
    """The problem of a request.

    Raises ``TeacherError`` for an impossible teacher, ``RequestError`` for relative learning rates
    that come to ones beyond the bounds of learning rates, or to too many steps.
    """
    unit = unit_of(request.teacher_gram)
    gram, leak = in_unit(request.teacher_gram, unit), request.leak
    teacher = make_teacher(request.teacher_width, gram, leak)
    critical = None
    if teacher.width == request.student_width and teacher.is_orthonormal:
        critical = critical_learning_rate(teacher.width, leak) * request.batch_size
    rates = _rates(request, critical)
    check_effort(request, rates)
    height, labels = activation.height(leak), request.label_noise / unit / (1.0 - leak)
    return Problem(
        students=request.student_width,
        teacher=teacher,
        dimension=request.input_dimension,
        starts=request.starts,
        seed=request.seed,
        scale=request.init_scale / unit,
        flow_tolerance=request.flow_tolerance,
        precision="float64",
        structured=request.structured,
        structures=None,
        saddles=False,
        widen=False,
        learning_rates=(),
        certify="none",
        unit=unit,
        rates=rates,
        noises=tuple(Noise(rate * height, labels, request.batch_size) for rate in rates),
        steps=tuple(_steps(request, rate) for rate in rates),
        critical=critical,
    )


def as_frequencies(problem: landscape.Problem) -> Problem:
    """The same problem, as this room's composition and tasks have it."""
    assert isinstance(problem, Problem)  # noqa: S101 - the composition's own ``problem`` made it
    return problem


def _rates(request: FrequenciesRequest, critical: float | None) -> tuple[float, ...]:
    """Learning rates, absolute."""
    if request.learning_rates is not None:
        return request.learning_rates
    relative = request.relative_learning_rates or ()
    if critical is None:
        raise RequestError(
            "relative_learning_rates", list(relative), "left out where the teacher is not "
            "orthonormal, or the widths differ",
        )  # fmt: skip
    return tuple(each * critical for each in relative)


def _steps(request: FrequenciesRequest, rate: float) -> tuple[int, ...]:
    """Whole steps at the times of the checks, ascending, none twice and none before the first."""
    if request.checks == 1:
        times = [request.until]
    else:
        times = np.geomspace(request.first_check, request.until, request.checks).tolist()
        times[-1] = request.until
    per_step = rate / request.input_dimension
    return tuple(dict.fromkeys(max(1, round(time / per_step)) for time in times))
