"""What follows paths in the place of arrays, on a processor or on a GPU."""

from __future__ import annotations

from typing import Protocol

from relu_landscape.engine.lanes.native import (
    Cancel,
    FlowRules,
    KernelInfo,
    Paths,
    PolishRules,
    Real,
    Teacher,
)


class PathKernel(Protocol):
    """What follows paths and polishes their ends: ``Kernel``, or one on a GPU (``cuda``).

    ``lanes``: with fewer paths than this some of it is idle; ``paths_at_once``: how many a call
    should get. With ``single`` the arithmetic is in single precision; a polish is always double.
    """

    @property
    def info(self) -> KernelInfo: ...
    @property
    def lanes(self) -> int: ...

    def paths_at_once(self, teacher: Teacher, students: int, coordinates: int) -> int: ...

    def forces(self, teacher: Teacher, W: Real, *, single: bool = False) -> Real: ...

    def flow(
        self,
        teacher: Teacher,
        rules: FlowRules,
        paths: Paths,
        *,
        company: int = 0,
        cancel: Cancel | None = None,
        single: bool = False,
    ) -> int: ...

    def polish(
        self,
        teacher: Teacher,
        rules: PolishRules,
        W: Real,
        force: Real,
        *,
        cancel: Cancel | None = None,
    ) -> tuple[Real, Real, int]: ...
