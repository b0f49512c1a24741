"""Two API processes on one store: no job is computed by both, whoever stands still meanwhile."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.external import SAFE, External, needs_redis
from tests.service.jobs.helpers import expected_digest, request, until_async
from tests.service.jobs.test_crashes import Driver
from tests.service.jobs.toy_engine import TOY

pytestmark = needs_redis

LEASE_SECONDS = 1.0


@pytest.fixture
def store(external: Callable[..., External]) -> External:
    return external(*SAFE)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Where every worker of both writes which chunk it computes."""
    path = tmp_path / "trace"
    path.touch()
    return path


@pytest.fixture
def drivers(store: External, folder: Path, trace: Path) -> Iterator[list[Driver]]:
    environment = {
        "RELU_LANDSCAPE_REDIS_URL": store.url,
        "RELU_LANDSCAPE_DATA_DIR": str(folder),
        "RELU_LANDSCAPE_WORKERS": "1",
        "RELU_LANDSCAPE_LEASE_SECONDS": str(LEASE_SECONDS),
        "RELU_LANDSCAPE_LOG_LEVEL": "error",
        "RELU_LANDSCAPE_KERNEL": "numpy",
        "TOY_TRACE": str(trace),
    }
    made = [Driver(Settings.load(data_dir=folder), environment) for _ in range(2)]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.send(signal.SIGCONT)
        each.stop()


@pytest_asyncio.fixture
async def asking(store: External) -> AsyncIterator[AskingStore]:
    settings = Settings.load(redis_url=store.url)
    opened = AskingStore(Target.external(settings), settings, TOY, "cpu")
    yield opened
    await opened.close()


async def finished(asking: AskingStore, job: str, asked: LandscapeRequest) -> list[str]:
    """The states that it went through, once it has ended with the right numbers."""

    async def over() -> bool:
        return (await asking.status(job)).is_over

    await until_async(over, f"{job} is over")
    body = await asking.result(job)
    assert body is not None
    assert orjson.loads(body)["digest"] == expected_digest(asked)
    events = [event async for event in asking.follow(job, None)]
    return [str(each.data["state"]) for each in events if each.name == "state"]


def chunks(trace: Path) -> list[str]:
    """Of which job each that was computed is, and which one."""
    return trace.read_text().splitlines()


async def test_two_processes_never_compute_one_job_at_a_time(
    drivers: list[Driver], asking: AskingStore, trace: Path
) -> None:
    await check_that_none_is_computed_twice(drivers, asking, trace)
    await check_that_who_stands_still_loses_the_job(drivers, asking)


async def check_that_none_is_computed_twice(
    drivers: list[Driver], asking: AskingStore, trace: Path
) -> None:
    accepted = {}
    for number in range(16):
        asked = request(starts=20, seconds=0.01)
        job = drivers[number % 2].submit(asked)
        assert job is not None
        # The other one is asked for the same: still one job.
        assert drivers[1 - number % 2].submit(asked) == job
        accepted[job] = asked
    for job, asked in accepted.items():
        assert await finished(asking, job, asked) == ["queued", "running", "finished"]
    computed = Counter(chunks(trace))
    assert len(computed) == len(accepted) * 5  # two chunks, three judges
    assert set(computed.values()) == {1}


async def check_that_who_stands_still_loses_the_job(
    drivers: list[Driver], asking: AskingStore
) -> None:
    """For longer than a lease, each in turn; what it still has in its hands it can tell nobody."""
    asked = request(starts=400, seconds=0.1)
    drivers[1].send(signal.SIGSTOP)  # else it may be the first to claim
    job = drivers[0].submit(asked)
    assert job is not None

    async def attempts() -> int:
        return int((await asking.status(job)).attempts)

    async def is_at(number: int) -> bool:
        return await attempts() == number

    await until_async(lambda: is_at(1), "the job runs")
    drivers[1].send(signal.SIGCONT)
    for turn in range(2):
        holder, other = drivers[turn], drivers[1 - turn]
        holder.send(signal.SIGSTOP)
        await until_async(lambda number=turn + 2: is_at(number), "the other takes it")  # type: ignore[misc]
        holder.send(signal.SIGCONT)
        assert other.submit(asked) == job
    states = await finished(asking, job, asked)
    assert states == ["queued", "running"] * 3 + ["finished"]
    assert await attempts() == 3
