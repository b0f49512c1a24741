"""What is answered at once, as both clients ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from relu_landscape_client import _answers, _drivers, _flows
from relu_landscape_client._base import Base, query_of
from relu_landscape_client._options import Options

if TYPE_CHECKING:
    from relu_landscape_client.estimates import Estimate
    from relu_landscape_client.families import Continuation, Family
    from relu_landscape_client.leaks import Leaks
    from relu_landscape_client.learning_rates import LearningRates
    from relu_landscape_client.structures import StructureChoices


class Calling(Base):
    """The part of ``Client`` that asks what is answered at once."""

    _driver: _drivers.SyncDriver

    def family(
        self, student_width: int, teacher_width: int, structure: str,
        branch: int | None = None, *, certify: bool = False, leak: float = 0.0,
    ) -> Family:  # fmt: skip
        """One symmetric family of fixed points, at any width up to 10^9.

        With ``certify``, its ``certificate`` is a computer-assisted proof. ``leak``: slope below
        zero of the units, -0.9 to 0.9.
        """
        return _answers.family(self._driver.run(_flows.document(
            "v1/families", student_width=student_width, teacher_width=teacher_width,
            structure=structure, branch=branch, certify=certify or None, leak=leak or None,
        )))  # fmt: skip

    def continuation(
        self, structure: str, from_width: float, to_width: float, *, points: int = 50,
        branch: int | None = None, around_folds: bool = False, leak: float = 0.0,
    ) -> Continuation:  # fmt: skip
        """A family along real teacher width, with the widths where its stability changes.

        ``points`` widths are sampled between ``from_width`` and ``to_width``. A branch that folds
        back ends there, or with ``around_folds`` goes on through the same widths, as sheet 2.
        """
        return _answers.continuation(self._driver.run(_flows.document(
            "v1/families/continuation", structure=structure, from_width=from_width,
            to_width=to_width, points=points, branch=branch,
            around_folds=around_folds or None, leak=leak or None,
        )))  # fmt: skip

    def leaks(
        self, student_width: int, teacher_width: int, structure: str, from_leak: float,
        to_leak: float, *, points: int = 50, branch: int | None = None, around_folds: bool = False,
    ) -> Leaks:  # fmt: skip
        """A critical point of a structure as its units leak, and where it appears or vanishes."""
        return _answers.leaks(self._driver.run(_flows.document(
            "v1/families/leaks", student_width=student_width, teacher_width=teacher_width,
            structure=structure, from_leak=from_leak, to_leak=to_leak, points=points,
            branch=branch, around_folds=around_folds or None,
        )))  # fmt: skip

    def learning_rates(
        self, student_width: int, teacher_width: int, structure: str, branch: int | None = None, *,
        batch_size: int = 1, label_noise: float = 0.0, points: int = 9, leak: float = 0.0,
    ) -> LearningRates:  # fmt: skip
        """A minimum under one-pass SGD: its largest stable learning rate, its loss up to that."""
        return _answers.learning_rates(self._driver.run(_flows.document(
            "v1/learning-rates", student_width=student_width, teacher_width=teacher_width,
            structure=structure, branch=branch, batch_size=batch_size, label_noise=label_noise,
            points=points, leak=leak or None,
        )))  # fmt: skip

    def structures(self, student_width: int, teacher_width: int) -> StructureChoices:
        """The structures that a landscape of these widths searches where none are named."""
        return _answers.structures(self._driver.run(_flows.document(
            "v1/structures", student_width=student_width, teacher_width=teacher_width,
        )))  # fmt: skip

    def estimate(
        self, student_width: int, teacher_width: int, **options: Unpack[Options]
    ) -> Estimate:  # fmt: skip
        """What such a landscape will take, before anything is computed."""
        asked = query_of(student_width, teacher_width, options)
        return _answers.estimate(self._driver.run(_flows.document("v1/estimate", **asked)))


class AsyncCalling(Base):
    """The same of ``AsyncClient``."""

    _driver: _drivers.AsyncDriver

    async def family(
        self, student_width: int, teacher_width: int, structure: str,
        branch: int | None = None, *, certify: bool = False, leak: float = 0.0,
    ) -> Family:  # fmt: skip
        """See ``Client.family``."""
        return _answers.family(await self._driver.run(_flows.document(
            "v1/families", student_width=student_width, teacher_width=teacher_width,
            structure=structure, branch=branch, certify=certify or None, leak=leak or None,
        )))  # fmt: skip

    async def continuation(
        self, structure: str, from_width: float, to_width: float, *, points: int = 50,
        branch: int | None = None, around_folds: bool = False, leak: float = 0.0,
    ) -> Continuation:  # fmt: skip
        """See ``Client.continuation``."""
        return _answers.continuation(await self._driver.run(_flows.document(
            "v1/families/continuation", structure=structure, from_width=from_width,
            to_width=to_width, points=points, branch=branch,
            around_folds=around_folds or None, leak=leak or None,
        )))  # fmt: skip

    async def leaks(
        self, student_width: int, teacher_width: int, structure: str, from_leak: float,
        to_leak: float, *, points: int = 50, branch: int | None = None, around_folds: bool = False,
    ) -> Leaks:  # fmt: skip
        """See ``Client.leaks``."""
        return _answers.leaks(await self._driver.run(_flows.document(
            "v1/families/leaks", student_width=student_width, teacher_width=teacher_width,
            structure=structure, from_leak=from_leak, to_leak=to_leak, points=points,
            branch=branch, around_folds=around_folds or None,
        )))  # fmt: skip

    async def learning_rates(
        self, student_width: int, teacher_width: int, structure: str, branch: int | None = None, *,
        batch_size: int = 1, label_noise: float = 0.0, points: int = 9, leak: float = 0.0,
    ) -> LearningRates:  # fmt: skip
        """See ``Client.learning_rates``."""
        return _answers.learning_rates(await self._driver.run(_flows.document(
            "v1/learning-rates", student_width=student_width, teacher_width=teacher_width,
            structure=structure, branch=branch, batch_size=batch_size, label_noise=label_noise,
            points=points, leak=leak or None,
        )))  # fmt: skip

    async def structures(self, student_width: int, teacher_width: int) -> StructureChoices:
        """See ``Client.structures``."""
        return _answers.structures(await self._driver.run(_flows.document(
            "v1/structures", student_width=student_width, teacher_width=teacher_width,
        )))  # fmt: skip

    async def estimate(
        self, student_width: int, teacher_width: int, **options: Unpack[Options]
    ) -> Estimate:  # fmt: skip
        """See ``Client.estimate``."""
        asked = query_of(student_width, teacher_width, options)
        return _answers.estimate(await self._driver.run(_flows.document("v1/estimate", **asked)))
