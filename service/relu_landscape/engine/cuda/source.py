"""The kernel's text for one shape of problem, and the room that it takes.

Nothing here needs a GPU, CuPy or a compiler.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from relu_landscape.engine.lanes.native import VERSION

ENGINE = "relu_landscape.engine"
MAIN = ("cuda", "kernels.h")
#: No contraction: every fused multiplication is written as one. (Division and square root of
#: doubles are correctly rounded without being asked.)
OPTIONS = ("--std=c++17", "--fmad=false")
#: Pairs that a thread has about four of; a block has at most 256 threads.
PAIRS_PER_THREAD = 4
THREADS = (32, 64, 128, 256)
#: Numbers of eight bytes on a block's board (room.h), and some to spare.
BOARD_BYTES = 256
#: Of a block's shared memory that the system takes.
SYSTEM_BYTES = 1024
MEMORY = 8


@dataclass(frozen=True)
class Shape:
    """What the kernel is compiled for: K students, M teachers, p coordinates, whether the teacher
    is the identity, and whether the arithmetic is in single precision."""

    students: int
    teachers: int
    coordinates: int
    is_orthonormal: bool
    is_single: bool = False


@dataclass(frozen=True)
class Plan:
    """How a shape is computed: ``threads`` of a block, ``stride`` of rows in the room, and
    ``is_wide`` where the room is in the device's memory. ``rooms`` says how much of it a block of
    each kernel has, ``pairs`` what the quasi-Newton method keeps of earlier steps (always in the
    device's memory), both in doubles."""

    shape: Shape
    threads: int
    stride: int
    is_wide: bool

    @property
    def rooms(self) -> dict[str, int]:
        """By kernel; a polish is always double."""
        flow = 5 * self._array + self._lengths + self._sums
        if self.shape.is_single:  # its checks of zero loss are double
            checks = self.shape.students + self.shape.coordinates
            flow = checks + -(-flow // 2)
            return {"flow_paths": flow, "forces_at": flow}
        polish = 6 * self._array + 2 * MEMORY + self._lengths + self._sums
        return {"flow_paths": flow, "forces_at": flow, "polish_points": polish}

    def shared_bytes(self, room: int) -> int:
        """Of a block with so many doubles of room; none where that is in the device's memory."""
        return 0 if self.is_wide else 8 * room

    @property
    def pairs(self) -> int:
        return 2 * MEMORY * self._array

    @property
    def defines(self) -> dict[str, int]:
        """Constants of the compilation."""
        shape = self.shape
        precision = {"SINGLE": 1} if shape.is_single else {}
        return {
            **precision,
            "STUDENTS": shape.students,
            "TEACHERS": shape.teachers,
            "COORDINATES": shape.coordinates,
            "ORTHONORMAL": int(shape.is_orthonormal),
            "THREADS": self.threads,
            "STRIDE": self.stride,
            "WIDE": int(self.is_wide),
        }

    @property
    def _array(self) -> int:
        return self.shape.students * self.stride

    @property
    def _lengths(self) -> int:
        return 4 * self.shape.students

    @property
    def _sums(self) -> int:
        K, M, p = self.shape.students, self.shape.teachers, self.shape.coordinates
        return K * (K | 1) + K * M + 2 * p + K


@dataclass(frozen=True)
class Multiprocessor:
    """What a multiprocessor has for all its blocks."""

    shared_bytes: int
    threads: int
    blocks: int = 32

    def blocks_of(self, plan: Plan) -> int:
        """How many blocks of the flow have room side by side, one at least. (Too many where it is
        registers that are short, which is known when the text is compiled.)"""
        own = plan.shared_bytes(plan.rooms["flow_paths"])
        shared = self.shared_bytes // (own + SYSTEM_BYTES)
        return max(1, min(self.blocks, self.threads // plan.threads, shared))


def planned(shape: Shape, shared_bytes: int, threads: int | None = None) -> Plan:
    """The plan for a device whose blocks may have ``shared_bytes`` of shared memory.

    Rows are an odd number of numbers apart where that fits: threads that each read a row of their
    own then do not meet in one bank.
    """
    p = shape.coordinates
    most = (shared_bytes - BOARD_BYTES) // 8
    threads = threads or threads_for(shape)
    for stride in (p | 1, p):
        plan = Plan(shape, threads, stride, is_wide=False)
        if max(plan.rooms.values()) <= most:
            return plan
    return Plan(shape, threads, p, is_wide=True)


def threads_for(shape: Shape) -> int:
    """Threads of a block.

    >>> [threads_for(Shape(K, K, K, True)) for K in (2, 8, 17, 32)]
    [32, 32, 128, 256]
    """
    K, M = shape.students, shape.teachers
    wanted = (K * (K - 1) // 2 + K * M) // PAIRS_PER_THREAD
    return next((count for count in THREADS if count >= wanted), THREADS[-1])


def text(plan: Plan) -> str:
    """The whole text, constants first."""
    constants = "".join(f"#define {name} {value}\n" for name, value in plan.defines.items())
    return f"// relu-landscape, kernel version {VERSION}\n{constants}{_body()}"


@cache
def _body() -> str:
    return "".join(_included(*MAIN, set()))


def _included(folder: str, name: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """The lines of a file, with those of what it includes in their place, once each."""
    seen.add((folder, name))
    whole = files(ENGINE).joinpath(folder, name).read_text(encoding="utf-8")
    for line in whole.splitlines(keepends=True):
        found = re.fullmatch(r'#include "(?:\.\./(?P<folder>\w+)/)?(?P<name>[^"/]+)"\n', line)
        if not found:
            yield line
            continue
        inner = found["folder"] or folder, found["name"]
        if inner not in seen:
            yield from _included(*inner, seen)
