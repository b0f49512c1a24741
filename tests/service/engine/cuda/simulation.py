"""The GPU's kernel compiled for this processor, with the calls of ``lanes.native.Kernel``."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from relu_landscape.engine.cuda import source
from relu_landscape.engine.lanes import native

HERE = Path(__file__).parent
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-mfma", "-pthread",
         "-Wall", "-Wextra", "-Wno-unused-function")  # fmt: skip


def compiled(folder: Path, plan: source.Plan, *, flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library of one plan."""
    name = "-".join(f"{value}" for value in plan.defines.values()) + "".join(flags)
    text = folder / f"{name}.h"
    library = folder / f"{name}.so"
    if not library.exists():
        text.write_text(source.text(plan))
        command = ["gcc", *FLAGS, *flags, "-shared", f'-DTEXT="{text}"', str(HERE / "simulated.c"),
                   "-o", str(library)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
    return ctypes.CDLL(str(library))


class Simulation:
    """``flow``, ``polish`` and ``forces`` as ``lanes.native.Kernel`` has them."""

    def __init__(self, folder: Path, *, threads: int, flags: tuple[str, ...] = ()) -> None:
        self._folder, self._threads, self._flags = folder, threads, flags

    def _library(self, teacher: Any, K: int, p: int) -> ctypes.CDLL:
        shape = source.Shape(K, len(teacher.V), p, teacher.is_orthonormal)
        plan = source.planned(shape, 10**6, self._threads)
        return compiled(self._folder, plan, flags=self._flags)

    def forces(self, teacher: Any, W: Any) -> Any:
        W = np.ascontiguousarray(W)
        n, K, p = W.shape
        result = np.empty_like(W)
        given, kept = _teacher(teacher)
        self._library(teacher, K, p).simulate_forces(
            ctypes.byref(given), ctypes.c_int64(n), _at(W), _at(result)
        )
        del kept
        return result

    def flow(self, teacher: Any, rules: native.FlowRules, paths: native.Paths, *,
             cancel: native.Cancel | None = None) -> int:  # fmt: skip
        n, K, p = paths.W.shape
        problem, also_kept = native._problem(teacher, K, p)
        given, kept = _teacher(teacher)
        arrays = native._Paths(*(_at(getattr(paths, each.name)) for each in fields(native.Paths)))
        count = ctypes.c_int64(0)
        self._library(teacher, K, p).simulate_flow(
            ctypes.byref(problem), ctypes.byref(given),
            ctypes.byref(native._FlowRules(*vars(rules).values())), ctypes.c_int64(n),
            ctypes.byref(arrays), (cancel or native.Cancel()).reference, ctypes.byref(count),
        )  # fmt: skip
        del kept, also_kept
        return count.value

    def polish(self, teacher: Any, rules: native.PolishRules, W: Any, force: Any) -> Any:
        n, K, p = W.shape
        given, kept = _teacher(teacher)
        result = np.array(W, order="C")
        norm = np.sqrt(np.sum(force * force, axis=(-2, -1)))
        count = ctypes.c_int64(0)
        self._library(teacher, K, p).simulate_polish(
            ctypes.byref(given), ctypes.byref(native._PolishRules(*vars(rules).values())),
            ctypes.c_int64(n), _at(result), _at(force), _at(norm), native.Cancel().reference,
            ctypes.byref(count),
        )  # fmt: skip
        del kept
        return result, norm, count.value


class _Teacher(ctypes.Structure):
    _fields_ = (("teacher", ctypes.c_void_p), ("norms", ctypes.c_void_p),
                ("inverse_norms", ctypes.c_void_p))  # fmt: skip


def _teacher(teacher: Any) -> tuple[_Teacher, Any]:
    V, norms = np.ascontiguousarray(teacher.V), np.ascontiguousarray(teacher.norms)
    inverse = 1.0 / norms
    return _Teacher(_at(V), _at(norms), _at(inverse)), (V, norms, inverse)


def _at(array: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
