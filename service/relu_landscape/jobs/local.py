"""The same computation without a service: here, now, in a few processes, nothing stored.

It takes the very path of the service (the analysis's composition, chunks through bytes in processes
of one thread each, the same sealing), so its canonical bytes, id and digest are the service's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from relu_landscape.analyses import ANALYSES, Registry, composition, load
from relu_landscape.jobs.about import provenance
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.device import choose_backend
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
    registry: Registry = ANALYSES,
) -> Solution:
    """Compute an analysis in ``workers`` processes (left out: one per core this process may use).

    ``watch(kind, data)`` is told about progress and findings as the service's event streams are.
    Raises ``JobFailed`` where a chunk fails or its process dies, ``ConfigurationError`` where the
    backend or kernel cannot be used, and whatever the engine refuses. ``KeyboardInterrupt`` ends
    the processes after the chunks they are at.
    """
    began = time.time()
    chosen = choose_backend(backend, kernel)
    analysis = registry.analysis(request.kind)
    composing = composition(analysis.composition)
    # Through its canonical form, so that equal requests are computed from equal models.
    request = analysis.request.model_validate(request.canonical())
    monitor = ProgressMonitor(request.starts_asked, StopSign(), watch or _say_nothing)
    count = workers or cpu_cores()
    # BLAS in this process too: a parallel sum's rounding can change which minimum is reached.
    with processes(count) as pool, threadpool_limits(limits=1):
        work = Work(analysis.composition, request)
        run = ProcessRunner(pool, count, work, chosen, monitor.computed)
        composed = composing.compose(
            composing.problem(request), run=run, monitor=monitor, chunk_starts=chunk_starts
        )
    job = request.content_id(chosen.backend_class)
    made_by = provenance(chosen, time.time() - began)
    result = orjson.loads(seal(analysis, job, request, composed.result, made_by))
    parts = {key: orjson.loads(part) for key, part in seal_parts(composed.parts).items()}
    return Solution(result, parts)


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
