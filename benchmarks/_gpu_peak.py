"""What a GPU's arithmetic in double precision reaches: alone, and in the formula of a pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks._gpu_cases import FMA_OF_PAIR, Case
from relu_landscape.engine.cuda import calls, source

#: A loop of fused multiplications.
BURN = r"""extern "C" __global__ void burn(double *x, int n) {
  double a[8];
  for (int k = 0; k < 8; k++) a[k] = x[0] + k + threadIdx.x;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 8; k++) a[k] = fma(a[k], 0.999999, 1e-6);
  for (int k = 1; k < 8; k++) a[0] += a[k];
  if (a[0] == 12345.0) x[0] = a[0];
}
"""
#: Behind the kernel's own text: the angles of all pairs, again and again.
PAIRS = r"""
KERNEL pairs_alone(const Teacher *teacher, const double *W, int64_t rounds, double *out,
                   double *work) {
  Flow f = new_flow(NEW_ROOM(work, FLOW_DOUBLES));
  load(f.W, W);
  sync();
  lengths_at(f.W, f.here);
  products(teacher, f.room, f.W);
  sync();
  for (int64_t round = 0; round < rounds; round++) {
    all_angles(teacher, f.room, f.W, f.here, f.force);
    sync();
  }
  if (thread() == 0) out[BLOCK] = f.room.pair[1] + f.force[0];
}
"""
STEPS, ROUNDS, REPEATS = 20_000, 2_000, 4


def peak_of(kernel: Any) -> float:
    """Double-precision operations a second of a loop of fused multiplications."""
    cupy = kernel.cupy
    burn = calls.compiled(cupy, BURN).get_function("burn")
    x, blocks, threads = calls.sent(cupy, np.zeros(1)), 8 * kernel.lanes, 256
    seconds = _shortest(cupy, lambda: burn((blocks,), (threads,), (x, np.int32(STEPS))))
    return float(2 * 8 * STEPS * blocks * threads) / seconds


def pairs_of(case: Case, kernel: Any) -> float:
    """The same of the angles of all pairs, in blocks as the kernel's own."""
    cupy, K, M = kernel.cupy, case.students, case.teachers
    plan = kernel.module(case.teacher, K, case.coordinates).plan
    made = calls.compiled(cupy, pairs_text(plan))
    room = plan.rooms["flow_paths"]
    alone = calls.function(cupy, made, "pairs_alone", plan, room, kernel.lanes)
    call = calls.Call(cupy, alone, alone.blocks, case.teacher)
    given = (
        call.teacher, call.sent(case.drawn(0, 1)[0]), np.int64(ROUNDS), call.room(1), call.work,
    )  # fmt: skip
    shape, shared = ((alone.blocks,), (alone.threads,)), alone.shared_bytes
    seconds = _shortest(cupy, lambda: alone.launch(*shape, given, shared_mem=shared))
    pairs = K * (K - 1) // 2 + K * M
    return 2.0 * FMA_OF_PAIR * pairs * ROUNDS * alone.blocks / seconds


def pairs_text(plan: source.Plan) -> str:
    """The kernel's text and the loop."""
    return source.text(plan) + PAIRS


def _shortest(cupy: Any, launch: Callable[[], None]) -> float:
    """Seconds of the quickest of a few."""
    best: float = float("inf")
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        launch()
        end.record()
        end.synchronize()
        best = min(best, float(cupy.cuda.get_elapsed_time(begin, end)) / 1e3)
    return best
