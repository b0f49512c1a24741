"""The same computation without a service: here, now, in a few processes, nothing stored.

It takes the very path of the service (the analysis's composition, chunks through bytes in processes
of one thread each, the same sealing), so its canonical bytes, id and digest are the service's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import orjson
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_landscape.analyses import ANALYSES, Registry, composition, load
from relu_landscape.engine.tasks import Ended, Question, Runner, Task
from relu_landscape.errors import InputError, JobFailed, NumericalError
from relu_landscape.jobs.about import provenance
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.pool.device import ChosenBackend, choose_backend
from relu_landscape.jobs.pool.processes import ProcessRunner, processes
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.jobs.running.sealing import seal, seal_parts
from relu_landscape.jobs.running.short import compute
from relu_landscape.settings import cpu_cores
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.requests import AnalysisRequest

Watch = Callable[[Literal["progress", "findings"], JsonObject], None]


@dataclass(frozen=True)
class Solution:
    """A finished analysis, as the service would answer it.

    ``result`` is the analysis's result in JSON types, ``parts`` holds what is too long for it by
    key (a fixed point's weights and eigenvalues).
    """

    result: JsonObject
    parts: dict[str, JsonObject]


def solve_locally(
    request: AnalysisRequest,
    *,
    workers: int | None = None,
    backend: Literal["auto", "numpy", "cupy"] = "auto",
    kernel: Literal["auto", "native", "numpy"] = "auto",
    chunk_starts: int | None = None,
    watch: Watch | None = None,
    kept: Path | None = None,
    registry: Registry = ANALYSES,
) -> Solution:
    """Compute an analysis in ``workers`` processes (left out: one per core this process may use).

    ``watch(kind, data)`` is told about progress and findings as the service's event streams are.
    ``kept``: a folder for the results that a sweep asks for, so that one which was killed goes on;
    those that are there already are not computed again.

    Raises ``JobFailed`` where a chunk fails or its process dies, ``ConfigurationError`` where the
    backend or kernel cannot be used, and whatever the engine refuses. ``KeyboardInterrupt`` ends
    the processes after the chunks they are at.
    """
    chosen = choose_backend(backend, kernel)
    count = workers or cpu_cores()
    # BLAS in this process too: a parallel sum's rounding can change which minimum is reached.
    with processes(count) as pool, threadpool_limits(limits=1):
        here = _Here(registry, chosen, pool, count, chunk_starts, kept)
        result, parts = here.solve(request, watch or _say_nothing)
    return Solution(orjson.loads(result), {key: orjson.loads(part) for key, part in parts.items()})


@dataclass(frozen=True)
class _Here:
    """What computes, and what it computes with."""

    registry: Registry
    chosen: ChosenBackend
    pool: ProcessPoolExecutor
    workers: int
    chunk_starts: int | None
    kept: Path | None

    def solve(self, request: AnalysisRequest, watch: Watch) -> tuple[bytes, dict[str, bytes]]:
        """The sealed bytes of the result, and of its parts."""
        began = time.time()
        analysis = self.registry.analysis(request.kind)
        composing = composition(analysis.composition)
        # Through its canonical form, so that equal requests are computed from equal models.
        request = analysis.request.model_validate(request.canonical())
        monitor = ProgressMonitor(request.starts_asked, StopSign(), watch)
        problem = composing.problem(request)
        work = Work(analysis.composition, request)
        run: Runner
        if analysis.asks_others:
            run = partial(self._ask, problem, monitor.computed)
        else:
            run = ProcessRunner(self.pool, self.workers, work, self.chosen, monitor.computed)
        composed = composing.compose(
            problem, run=run, monitor=monitor, chunk_starts=self.chunk_starts
        )
        job = request.content_id(self.chosen.backend_class)
        made_by = provenance(self.chosen, time.time() - began)
        return seal(analysis, job, request, composed.result, made_by), seal_parts(composed.parts)

    def _ask(
        self, problem: Any, computed: Callable[[], None], tasks: Sequence[Task[Any, Any]]
    ) -> Iterator[tuple[Task[Any, Any], Any]]:
        """A runner of questions: each is computed here, one after another."""
        for task in tasks:
            assert isinstance(task, Question)  # noqa: S101 - for the type checker
            ended = self._ended(task.request(problem), computed)
            answer = encode_answer(task.answered(problem, ended))
            yield task, decode_answer(task, answer)

    def _ended(self, request: AnalysisRequest, computed: Callable[[], None]) -> Ended:
        job = request.content_id(self.chosen.backend_class)
        file = None if self.kept is None else self.kept / f"{job}.json"
        if file is not None and file.is_file():
            return Ended(job, file.read_bytes())
        try:
            result, _ = self.solve(request, _say_nothing)
        except (InputError, JobFailed, NumericalError) as error:
            if isinstance(error.__cause__, BrokenProcessPool):
                raise  # with it every other one would fail too
            return Ended(job, None, str(error))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_suffix(".part")
            aside.write_bytes(result)
            aside.replace(file)  # a kill leaves a whole file or none
        computed()
        return Ended(job, result)


def call_locally(name: str, query: Wire, *, registry: Registry = ANALYSES) -> JsonObject:
    """One of the registry's short calls (``family``, ``continuation``), in JSON types.

    Raises ``NotFound`` for an unknown name, and whatever the engine refuses.
    """
    return compute(registry.call(name), query).model_dump(mode="json")


def verify_locally(document: Mapping[str, Any], *, strict: bool = False) -> list[dict[str, Any]]:
    """Re-check every certificate of a JSON document, and the numbers beside it.

    ``{key, holds, reason, covers, not_covered}`` each: ``holds`` is None for one that claims
    nothing, ``covers`` names the members of its point that it implies; ``strict`` proves dense
    certificates in balls throughout, even those made in the fast mode.
    """
    verify = load("relu_landscape.engine.certificates:verify")
    return cast("list[dict[str, Any]]", verify(document, strict=strict))


def _say_nothing(kind: str, data: JsonObject) -> None: ...
