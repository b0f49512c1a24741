"""Compute the explorer's stored example, and the answers its tests replay, with the service itself.

    python tools/make_example.py [--recorded]

Without an option it writes ``explorer/example.json``: the landscape that a first-time visitor sees
before anything is computed. With ``--recorded`` it also writes ``tests/page/recorded``. Run it
after a change of the result's shape or of the algorithm version. Takes a minute or two on 2 cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from relu_landscape.errors import InputError
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.settings import Settings
from relu_landscape.wire.base import JsonObject
from relu_landscape.wire.families import ContinuationQuery
from relu_landscape.wire.frequencies import FrequenciesRequest
from relu_landscape.wire.learning_rates import LearningRatesQuery
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.sweeps import Grid, SweepBase, SweepRequest
from relu_landscape.wire.trajectories import TrajectoryRequest

ROOT = Path(__file__).resolve().parents[1]
EXPLORER = ROOT / "api" / "relu_landscape_api" / "explorer"
RECORDED = ROOT / "tests" / "page" / "recorded"

#: Small, and with everything the page can show: spurious minima, pathways between them, proofs.
EXAMPLE = LandscapeRequest(
    student_width=7, teacher_width=7, starts=2000, saddles=True, certify="strict"
)
#: One more student than teachers: a continuum of global minima and refused certificates.
WIDE = LandscapeRequest(student_width=9, teacher_width=8, starts=500, saddles=True, certify="fast")
FAMILIES = ("one-anti-aligned", "two-anti-aligned", "all-anti-aligned", "1+*")
#: What the views of learning ask for, at the widths of the example.
TRAJECTORIES = {
    "flow": TrajectoryRequest(student_width=7, teacher_width=7, start=3, until=100, points=21),
    "ode": TrajectoryRequest(
        student_width=7, teacher_width=7, start=3, until=100, method="ode", learning_rate=0.1,
        points=21,
    ),
    "sgd": TrajectoryRequest(
        student_width=7, teacher_width=7, start=3, until=100, method="sgd", learning_rate=0.1,
        points=21, runs=3,
    ),
}  # fmt: skip
FREQUENCIES = FrequenciesRequest(
    student_width=7, teacher_width=7, learning_rates=(0.2, 0.6), starts=60, input_dimension=100,
    until=40,
)  # fmt: skip
SWEEP = SweepRequest(
    base=SweepBase(starts=30),  # type: ignore[call-arg]
    grid=Grid(teacher_width=(2, 3, 4), extra_students=(-2, 0, 1)),
)

#: Far above what any of these takes; a service that hangs is an error of the service.
TIMEOUT_SECONDS = 600.0


async def computed(service: AnalysisService, request: AnalysisRequest) -> bytes:
    """The finished result, as the service's bytes; stops where there is none."""
    job = await service.submit(request)
    status = await service.wait(job.id, TIMEOUT_SECONDS)
    if status.state != "finished":
        raise SystemExit(f"The job is {status.state} after {TIMEOUT_SECONDS:.0f} s: {status.error}")
    return await service.result(job.id)


async def continuations(service: AnalysisService) -> dict[str, JsonObject]:
    """Families along real width, by name: what the page asks for at first, and one more."""
    answers = {}
    for name in FAMILIES:
        query = ContinuationQuery(structure=name, from_width=4.0, to_width=100.0, points=80)
        answer = await service.call("continuation", query, TIMEOUT_SECONDS)
        answers[name] = answer.model_dump(mode="json")
    return answers


async def trajectories(service: AnalysisService) -> dict[str, JsonObject]:
    """One start by each method, with every run in full."""
    answers = {}
    for name, request in TRAJECTORIES.items():
        result = orjson.loads(await computed(service, request))
        keys = [run["key"] for run in result["runs"]]
        parts = {key: await service.part(result["id"], key) for key in keys}
        answers[name] = {"result": result, "parts": parts}
    return answers


async def rates(service: AnalysisService, landscape: Mapping[str, Any]) -> dict[str, JsonObject]:
    """What learning rates do to the landscape's minima, by structure and number of its branch."""
    names = {p["structure"]["name"] for p in landscape["fixed_points"] if p["kind"] == "minimum"}
    answers = {}
    for name, branch in itertools.product(sorted(names), (None, 1, 2, 3, 4)):
        query = LearningRatesQuery(
            student_width=7, teacher_width=7, structure=name, branch=branch, points=1
        )
        try:
            answer = await service.call("learning_rates", query, TIMEOUT_SECONDS)
        except InputError:  # no such branch, or a saddle
            continue
        answers[f"{name} {branch or 'lowest'}"] = answer.model_dump(mode="json")
    return answers


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    sys.stdout.write(f"{path.relative_to(ROOT)}: {len(content)} bytes\n")


async def main(*, recorded: bool) -> None:
    """Compute and write."""
    with tempfile.TemporaryDirectory(prefix="rl-") as folder:
        async with AnalysisService.open(Settings(data_dir=Path(folder))) as service:
            example = await computed(service, EXAMPLE)
            write(EXPLORER / "example.json", example)
            if recorded:
                write(RECORDED / "wide.json", await computed(service, WIDE))
                answers = await continuations(service)
                write(RECORDED / "continuations.json", orjson.dumps(answers))
                write(RECORDED / "trajectories.json", orjson.dumps(await trajectories(service)))
                write(RECORDED / "frequencies.json", await computed(service, FREQUENCIES))
                answers = await rates(service, orjson.loads(example))
                write(RECORDED / "rates.json", orjson.dumps(answers))
                write(RECORDED / "sweep.json", await computed(service, SWEEP))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recorded", action="store_true", help="the tests' answers as well")
    asyncio.run(main(recorded=parser.parse_args().recorded))
