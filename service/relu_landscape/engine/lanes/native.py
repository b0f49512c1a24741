"""The library ``_lanes.so``: found, chosen by what this processor can do, and called safely.

``load`` gives a ``Kernel``, or raises ``KernelError`` with a sentence on why there is none. A
kernel keeps nothing between calls and lets other threads run during them. Bits: a path's numbers
depend on that path alone, not on its company, its lane, the set of instructions or the processor.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes.checks import address, checked
from relu_landscape.errors import Cancelled, ConfigurationError

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Of lanes.h: the interface and the numbers that this module was written for.
VERSION = 3
LIBRARY = "_lanes.so"
#: Sets of instructions, the best first.
VARIANTS = ("avx512", "avx2", "neon")

#: Paths that a call should get, for each lane.
PATHS_PER_LANE = 128

# Why a path left (lanes.h); several may hold at once.
SMALL_GRADIENT, CHECK_DUE, AT_STEP_LIMIT, SHORT_STUDENT, NOT_FINITE = 1, 2, 4, 8, 16


class Teacher(Protocol):
    """What is needed of a ``model.teacher.Teacher``."""

    @property
    def V(self) -> Real: ...
    @property
    def norms(self) -> Real: ...
    @property
    def is_orthonormal(self) -> bool: ...
    @property
    def level(self) -> float: ...


class KernelError(ConfigurationError):
    """There is no such kernel here; the message says why."""


@dataclass(frozen=True)
class KernelInfo:
    """What computes: ``name`` and ``version`` decide the bits, the rest only how fast they come."""

    name: str
    version: int
    instructions: str
    compiler: str

    @property
    def label(self) -> str:
        """Name and version, as content ids have them: ``native-3``."""
        return f"{self.name}-{self.version}"


@dataclass(frozen=True)
class FlowRules:
    """The constants of ``descent.flow`` and of its zero-loss check; see lanes.h."""

    tolerance: float
    first_tolerance_factor: float
    careful_time: float
    stability: float
    early_eigenvalue: float
    late_eigenvalue: float
    early_time: float
    shortest: float
    falls_below: float
    falls_at: float
    check_steps: float
    check_gradient: float
    check_cosine: float
    check_floor: float
    check_loss: float


@dataclass(frozen=True)
class PolishRules:
    """The constants of ``descent.quasi_newton``; see lanes.h."""

    tolerance: float
    iterations: float
    reach: float
    base_curvature: float


@dataclass
class Paths:
    """State of n paths: ``W`` and ``force`` (n, K, p), all else (n,). Calls change it in place.

    ``event`` says afterwards why a path left; zero: it is still on its way.
    """

    W: Real
    force: Real
    gradient_norm: Real
    time: Real
    step_size: Real
    eigenvalue: Real
    steps: Whole
    gradient_tolerance: Real
    step_limit: Whole
    event: Whole = field(init=False)

    def __post_init__(self) -> None:
        self.event = np.zeros(len(self.steps), dtype=np.int64)


class Cancel:
    """A flag that any thread may raise; a call that runs ends before its next step."""

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)
        self._told: list[Callable[[], None]] = []

    def raise_(self) -> None:
        """Ask the calls that were given this flag to end."""
        self._flag.value = 1
        for stop in list(self._told):
            stop()

    @contextmanager
    def calling(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have ``stop`` called when the flag is raised, or was before: for who cannot see it."""
        self._told.append(stop)
        try:
            if self.is_raised:
                stop()
            yield
        finally:
            self._told.remove(stop)

    @property
    def is_raised(self) -> bool:
        """Whether somebody asked."""
        return self._flag.value != 0

    @property
    def reference(self) -> Any:
        """What C is given."""
        return ctypes.byref(self._flag)


class _Problem(ctypes.Structure):
    _fields_ = (
        ("students", ctypes.c_int64),
        ("teachers", ctypes.c_int64),
        ("coordinates", ctypes.c_int64),
        ("teacher", ctypes.c_void_p),
        ("teacher_norms", ctypes.c_void_p),
        ("level", ctypes.c_double),
    )


class _FlowRules(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_double) for each in fields(FlowRules))


class _PolishRules(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_double) for each in fields(PolishRules))


class _Paths(ctypes.Structure):
    _fields_ = tuple((each.name, ctypes.c_void_p) for each in fields(Paths))


@dataclass(frozen=True)
class Kernel:
    """The functions of one variant. Shapes as in ``Paths``; raises ``ValueError`` for any other,
    ``MemoryError`` without memory for the workspace.

    With ``single`` the arithmetic is in single precision, with twice the ``lanes``; the arrays are
    doubles as ever.
    """

    info: KernelInfo
    lanes: int
    _function: Callable[[str, bool], Any]

    def paths_at_once(self, teacher: Teacher, students: int, coordinates: int) -> int:  # noqa: ARG002
        """So many that the last ones, which do not fill the lanes, are few."""
        return PATHS_PER_LANE * self.lanes

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of this variant that returns a status."""
        _raise_for(self._function(name, False)(*arguments))

    def forces(self, teacher: Teacher, W: Real, *, single: bool = False) -> Real:
        """-grad L (n, K, p) at ``W``, in the unit of ``model.activation``; accuracy as in
        ``model.kernel``. NaN at a norm of zero."""
        W = np.ascontiguousarray(W, dtype=np.float64)
        n, K, p = checked_batch(W, teacher)
        result = np.empty_like(W)
        problem, kept = _problem(teacher, K, p)
        status = self._function("force", single)(
            ctypes.byref(problem), ctypes.c_int64(n), address(W), address(result)
        )
        del kept
        _raise_for(status)
        return result

    def flow(
        self,
        teacher: Teacher,
        rules: FlowRules,
        paths: Paths,
        *,
        company: int = 0,
        cancel: Cancel | None = None,
        single: bool = False,
    ) -> int:
        """Follow every path to its event; returns the number of gradients that took.

        With ``company`` it comes back early, with paths still on their way, once a path has left,
        none waits, and fewer than ``company`` lanes are in use. Raises ``Cancelled``.
        """
        n, K, p = checked_paths(paths, teacher)
        arrays = _Paths(*(address(getattr(paths, each.name)) for each in fields(Paths)))
        problem, kept = _problem(teacher, K, p)
        evaluations = ctypes.c_int64(0)
        status = self._function("flow", single)(
            ctypes.byref(problem),
            ctypes.byref(_FlowRules(*vars(rules).values())),
            ctypes.c_int64(n),
            ctypes.byref(arrays),
            ctypes.c_int64(company),
            (cancel or Cancel()).reference,
            ctypes.byref(evaluations),
        )
        del kept
        _raise_for(status)
        return evaluations.value

    def polish(
        self,
        teacher: Teacher,
        rules: PolishRules,
        W: Real,
        force: Real,
        *,
        cancel: Cancel | None = None,
    ) -> tuple[Real, Real, int]:
        """Quasi-Newton from points ``W`` (n, K, p) with their forces.

        Returns the points where it ended, their gradient norms (n,), and the number of gradients.
        Raises ``Cancelled``.
        """
        n, K, p = checked_batch(W, teacher)
        force = checked("force", np.ascontiguousarray(force), (n, K, p), np.float64)
        result = np.array(W, dtype=np.float64, order="C")
        norm = np.sqrt(np.sum(force * force, axis=(-2, -1)))
        problem, kept = _problem(teacher, K, p)
        evaluations = ctypes.c_int64(0)
        status = self._function("polish", False)(
            ctypes.byref(problem),
            ctypes.byref(_PolishRules(*vars(rules).values())),
            ctypes.c_int64(n),
            address(result),
            address(force),
            address(norm),
            (cancel or Cancel()).reference,
            ctypes.byref(evaluations),
        )
        del kept
        _raise_for(status)
        return result, norm, evaluations.value


def checked_batch(W: Real, teacher: Teacher) -> tuple[int, int, int]:
    """n, K and p of a batch. Raises ``ValueError`` where the teacher does not fit into p."""
    if W.ndim != 3:
        raise ValueError(f"W has {W.ndim} axes; it must have three, (paths, K, p).")
    n, K, p = W.shape
    M = len(teacher.V)
    if K < 1 or p < M:
        raise ValueError(
            f"W has shape {W.shape}: a student has {p} coordinates, and the teacher's span {M}; "
            "there must be a student, and room for the span."
        )
    return n, K, p


def checked_paths(paths: Paths, teacher: Teacher) -> tuple[int, int, int]:
    """n, K and p of paths whose arrays are what a kernel takes them for; ``ValueError`` else."""
    n, K, p = checked_batch(paths.W, teacher)
    for each in fields(Paths):
        wanted = (n, K, p) if each.name in ("W", "force") else (n,)
        kind = np.int64 if each.name in ("steps", "step_limit", "event") else np.float64
        checked(each.name, getattr(paths, each.name), wanted, kind)
    return n, K, p


def _problem(teacher: Teacher, K: int, p: int) -> tuple[_Problem, tuple[Real, Real]]:
    """The structure, and the arrays that must live as long as it does."""
    V = np.ascontiguousarray(teacher.V, dtype=np.float64)
    norms = np.ascontiguousarray(teacher.norms, dtype=np.float64)
    if np.any(np.triu(V, 1)):
        raise ValueError("The teacher's rows must be a Cholesky factor: zero above the diagonal.")
    where = None if teacher.is_orthonormal else address(V)
    return _Problem(K, len(V), p, where, address(norms), teacher.level), (V, norms)


def _raise_for(status: int) -> None:
    if status == 1:
        raise MemoryError("The native kernel has no memory for its workspace.")
    if status == 2:
        raise cancelled()


def cancelled() -> Cancelled:
    """What is raised after the flag was."""
    return Cancelled("The flag was raised; every path has a state from which it can go on.")


@cache
def load(instructions: str | None = None, library: str | None = None) -> Kernel:
    """The kernel for this processor, or the variant with the given ``instructions``.

    ``library``: another file than the one beside this module. Raises ``KernelError``.
    """
    path = library or str(files(__package__) / LIBRARY)
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise KernelError(
            f"the native kernel was not compiled when the package was installed ({error}): "
            "install gcc or clang, then install relu-landscape again"
        ) from error
    if loaded.lanes_abi() != VERSION:
        raise KernelError(
            f"the native kernel beside this code is of version {loaded.lanes_abi()}, and the code "
            f"needs version {VERSION}: install relu-landscape again"
        )
    has_single = any(hasattr(loaded, f"lanes_flow_{variant}_single") for variant in VARIANTS)
    later = ("leaks", "noise", "second_layers")
    missing = [what for what in later if not hasattr(loaded, f"lanes_knows_{what}")]
    if missing or not has_single:
        what = missing[0].replace("_", " ") if has_single else "single precision"
        raise KernelError(
            f"the native kernel beside this code knows no {what}, so it is of an earlier build: "
            "install relu-landscape again"
        )
    for variant in (instructions,) if instructions else VARIANTS:
        is_there = variant in VARIANTS and hasattr(loaded, f"lanes_flow_{variant}")
        if is_there and getattr(loaded, f"lanes_supports_{variant}")():
            return _kernel(loaded, variant)
    raise KernelError(
        f"this processor has none of the instructions that the native kernel was compiled for "
        f"({', '.join((instructions,) if instructions else VARIANTS)})"
    )


def describe() -> str:
    """What follows random starts here, in a few words: the kernel, or NumPy and why.

    >>> describe().split()[0] in ("native", "NumPy")
    True
    """
    try:
        info = load().info
    except KernelError as error:
        return f"NumPy computes; {error}"
    return f"native kernel {info.version} ({info.instructions}, {info.compiler}) computes"


def available() -> tuple[str, ...]:
    """The sets of instructions that the library has and this processor can run."""
    found = []
    for variant in VARIANTS:
        with suppress(KernelError):
            found.append(load(variant).info.instructions)
    return tuple(found)


def _kernel(loaded: ctypes.CDLL, variant: str) -> Kernel:
    loaded.lanes_compiler.restype = ctypes.c_char_p
    compiler = loaded.lanes_compiler().decode()
    return Kernel(
        info=KernelInfo("native", VERSION, variant, compiler),
        lanes=getattr(loaded, f"lanes_width_{variant}")(),
        _function=lambda name, single: getattr(
            loaded, f"lanes_{name}_{variant}{'_single' if single else ''}"
        ),
    )
