"""The flow of a rule, step by step: the descent of ``engine.descents``, looked at on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.rules import Rule, TwoLayer
from relu_landscape.engine.descents.running import far
from relu_landscape.engine.dynamics.ode import Stop
from relu_landscape.engine.dynamics.problem import Problem
from relu_landscape.engine.dynamics.tasks import Records
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Marched:
    """Where a descent got to (K, q) in so many steps, what was passed, and why it stopped."""

    state: Real
    done: int
    records: Records
    stop: Stop | None


@dataclass(frozen=True, kw_only=True)
class March(Task[Problem, Marched]):
    """Go on with a descent from its ``state`` (K, q) after ``done`` steps, up to ``until`` of them,
    and look at it after those in ``record``."""

    kind: ClassVar[str] = "march"
    answer: ClassVar[type[Marched]] = Marched

    state: Real
    done: int
    until: int
    record: tuple[int, ...]

    def run(self, problem: Problem, backend: Backend) -> Marched:  # noqa: ARG002
        rule, step = problem.rule, problem.step
        assert rule is not None  # noqa: S101 - only such a problem has steps to march
        assert step is not None  # noqa: S101
        state, done, wanted = self.state[None], self.done, set(self.record)
        seen = [state] if done in wanted else []
        stop = None
        with np.errstate(all="ignore"):  # what is not finite is looked for
            while done < self.until:
                after = rule.moved(state, step)
                stop = stopped(rule, after)
                if stop is not None:
                    break
                state, done = after, done + 1
                if done in wanted:
                    seen.append(state)
        states = np.array(seen).reshape(1, len(seen), *self.state.shape)
        return Marched(state[0], done, Records.of(states, problem), stop)


def stopped(rule: Rule, states: Real) -> Stop | None:
    """Why a descent cannot go on from ``states`` (1, K, q), by the rules of descents; None: it
    can."""
    if isinstance(rule, TwoLayer) and np.min(states[..., -1]) <= 0.0:
        return Stop.CHANGED_SIGN
    if not np.all(np.isfinite(states)):
        return Stop.NOT_FINITE
    W = rule.weights(states)
    return Stop.STEPPED_AWAY if np.any(np.sum(W * W, axis=-1) > far(rule) ** 2) else None
