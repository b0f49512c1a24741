"""A GPU with the processor beside it, which takes what is too little for a device.

A device is not quicker with one path than with thousands: a step takes it some ten microseconds,
where a core takes three (K = 17). So the last few paths of a batch, which creep, would hold it for
longer than all the others, while other processes wait for their turn. The bits are the same
wherever a path is followed, and in whatever company.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from relu_landscape.engine.cuda import calls, device
from relu_landscape.engine.cuda.device import DeviceKernel
from relu_landscape.engine.lanes import native
from relu_landscape.engine.lanes.native import FlowRules, KernelInfo, Paths, PolishRules

Real = native.Real

#: So many paths are the processor's.
FEW = 32


@dataclass(frozen=True)
class Assisted:
    """The functions of ``lanes.native.Kernel`` by a GPU and, for ``FEW`` paths, the processor."""

    gpu: DeviceKernel
    processor: native.Kernel

    @property
    def info(self) -> KernelInfo:
        """Of the GPU's kernel."""
        return self.gpu.info

    @property
    def device(self) -> str:
        """The GPU's name."""
        return self.gpu.device

    @property
    def lanes(self) -> int:
        """With half as many paths on their way, a call is told to come back."""
        return 2 * FEW

    def paths_at_once(self, teacher: native.Teacher, students: int, coordinates: int) -> int:
        """See ``DeviceKernel.paths_at_once``."""
        return self.gpu.paths_at_once(teacher, students, coordinates)

    def forces(self, teacher: native.Teacher, W: Real, *, single: bool = False) -> Real:
        """See ``lanes.native.Kernel.forces``: always the processor's, which has computed them
        before they were copied to a device and back."""
        return self.processor.forces(teacher, W, single=single)

    def flow(
        self,
        teacher: native.Teacher,
        rules: FlowRules,
        paths: Paths,
        *,
        company: int = 0,
        cancel: native.Cancel | None = None,
        single: bool = False,
    ) -> int:
        """See ``lanes.native.Kernel.flow``."""
        told: dict[str, Any] = {"cancel": cancel, "single": single}
        if len(paths.steps) <= FEW:
            own = self.processor.lanes // 2 if company else 0
            return self.processor.flow(teacher, rules, paths, company=own, **told)
        count = self.gpu.flow(teacher, rules, paths, company=max(company, FEW), **told)
        rest = np.flatnonzero(paths.event == 0)
        if company or not rest.size:
            return count
        part = _selected(paths, rest)
        count += self.processor.flow(teacher, rules, part, **told)
        for each in fields(Paths):
            getattr(paths, each.name)[rest] = getattr(part, each.name)
        return count

    def polish(
        self,
        teacher: native.Teacher,
        rules: PolishRules,
        W: Real,
        force: Real,
        *,
        cancel: native.Cancel | None = None,
    ) -> tuple[Real, Real, int]:
        """See ``lanes.native.Kernel.polish``."""
        kernel = self.processor if len(W) <= FEW else self.gpu
        return kernel.polish(teacher, rules, W, force, cancel=cancel)


def _selected(paths: Paths, rows: native.Whole) -> Paths:
    """Copies of these paths."""
    return replace(
        paths, **{each.name: getattr(paths, each.name)[rows] for each in fields(Paths) if each.init}
    )


def load(
    number: int = 0, turn: calls.Turn = nullcontext, kept: calls.Kept = calls.not_kept
) -> DeviceKernel | Assisted:
    """``device.load`` with the processor's kernel beside it, where one was compiled."""
    gpu = device.load(number, turn, kept)
    try:
        return Assisted(gpu, native.load())
    except native.KernelError:
        return gpu
