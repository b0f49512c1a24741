"""What NVRTC makes of the kernel's text for a GPU: registers, memory, and blocks beside each other.

    python -m benchmarks.gpu_programs [--architecture sm_90]

(from the repository root) needs no GPU and no driver. Registers and spills are those of the flow;
blocks are how many of them a multiprocessor of that architecture has room for.
"""

from __future__ import annotations

import argparse
import ctypes
import re

from relu_landscape.engine.cuda import source
from tests.service.engine.cuda.nvrtc import compile_text, load

#: Bytes of shared memory of a block, and what a multiprocessor has (CUDA programming guide,
#: "Technical specifications").
DEVICES = {
    "sm_80": (166_912, source.Multiprocessor(167_936, 2048)),
    "sm_90": (232_448, source.Multiprocessor(233_472, 2048)),
}
REGISTERS = 65_536
REGISTER_UNIT = 256  # given to a warp by so many
SHAPES = (
    source.Shape(8, 8, 8, True), source.Shape(17, 17, 17, True), source.Shape(17, 17, 34, True),
    source.Shape(17, 17, 17, False), source.Shape(32, 32, 32, True),
    source.Shape(64, 64, 64, True), source.Shape(17, 17, 34, True, is_single=True),
    source.Shape(32, 32, 32, True, is_single=True), source.Shape(64, 64, 64, True, is_single=True),
)  # fmt: skip


def row(nvrtc: ctypes.CDLL, shape: source.Shape, architecture: str) -> str:
    """One line of the table."""
    block_bytes, multiprocessor = DEVICES[architecture]
    plan = source.planned(shape, block_bytes)
    made = compile_text(nvrtc, source.text(plan), architecture)
    if made.status:
        raise SystemExit(made.log)
    said = made.log[made.log.index("'flow_paths'") :]
    registers, spilled = (
        int(found[1]) if (found := re.search(pattern, said)) else 0
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes spill stores")
    )
    shared = plan.shared_bytes(plan.rooms["flow_paths"])
    unit = REGISTER_UNIT
    warps = REGISTERS // (-(-32 * registers // unit) * unit)
    blocks = min(multiprocessor.blocks_of(plan), warps // (plan.threads // 32))
    teacher = "orthonormal" if shape.is_orthonormal else "general"
    precision = "float32" if shape.is_single else "float64"
    where = "device" if plan.is_wide else f"{shared / 1024:.1f}"
    return (
        f"| {shape.students} | {shape.teachers} | {shape.coordinates} | {teacher} | {precision} | "
        f"{plan.threads} | {registers} | {spilled} | {where} | {blocks} |"
    )


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--architecture", choices=sorted(DEVICES), default="sm_90")
    architecture = parser.parse_args().architecture
    nvrtc = load()
    print("| K | M | p | teacher | precision | threads | registers | spilled, bytes "
          "| shared memory, kB | blocks |")  # fmt: skip
    print(f"|{'---|' * 10}")
    for shape in SHAPES:
        print(row(nvrtc, shape, architecture), flush=True)


if __name__ == "__main__":
    main()
