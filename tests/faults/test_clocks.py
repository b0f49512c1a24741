"""The machine's clock is set an hour forward and back while jobs run, wait and are kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from relu_landscape.errors import NotFound
from relu_landscape.jobs.listing import EVERYTHING
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.lists import ListingStore
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.faults.clock import Clock
from tests.service.jobs.external import SAFE, External, needs_redis
from tests.service.jobs.helpers import expected_digest, request, until_async
from tests.service.jobs.test_crashes import Driver
from tests.service.jobs.toy_engine import TOY

pytestmark = needs_redis

HOUR = 3600
LEASE_SECONDS = 1.0
#: How long results are kept: the first step goes beyond it, the last one does not.
KEPT_SECONDS = 3 * HOUR // 2


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def stepped(clock: Clock, external: Callable[..., External]) -> External:
    """A store that goes by the clock."""
    return external(*SAFE, environment=clock.environment)


@pytest.fixture
def drivers(clock: Clock, stepped: External, folder: Path) -> Iterator[list[Driver]]:
    """Two processes with a worker each on that store, by the same clock."""
    environment = {
        **clock.environment,
        "RELU_LANDSCAPE_REDIS_URL": stepped.url,
        "RELU_LANDSCAPE_RESULT_TTL_SECONDS": str(KEPT_SECONDS),
        "RELU_LANDSCAPE_DATA_DIR": str(folder),
        "RELU_LANDSCAPE_WORKERS": "1",
        "RELU_LANDSCAPE_LEASE_SECONDS": str(LEASE_SECONDS),
        "RELU_LANDSCAPE_LOG_LEVEL": "error",
        "RELU_LANDSCAPE_KERNEL": "numpy",
    }
    made = [Driver(Settings.load(data_dir=folder), environment) for _ in range(2)]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.stop()


def test_the_clock_of_such_a_program_is_set_and_its_steady_one_goes_on(clock: Clock) -> None:
    """Of Python and of the store, else the other test would show nothing."""
    program = "import time; print(time.time(), time.monotonic())"
    clock.step(-HOUR)
    told = subprocess.run(
        [sys.executable, "-c", program], env=clock.environment, check=True, capture_output=True
    ).stdout.split()
    assert abs(float(told[0]) - time.time() + HOUR) < HOUR / 2
    assert abs(float(told[1]) - time.monotonic()) < HOUR / 2


async def test_no_step_of_the_clock_loses_doubles_or_takes_a_job(
    clock: Clock, stepped: External, drivers: list[Driver]
) -> None:
    """Every job ends after its first attempt, with the right numbers and no time below zero. Lists
    keep the order in which jobs came. What had ended is forgotten by the store's clock."""
    target = Target(stepped.url, None)
    settings = Settings.load(redis_url=stepped.url)
    asking = AskingStore(target, settings, TOY, "cpu")
    lists = ListingStore(target, settings, TOY)
    accepted: list[tuple[str, LandscapeRequest]] = []

    def submit(driver: Driver, starts: int) -> str:
        asked = request(starts=starts, seconds=0.1)
        job = driver.submit(asked)
        assert job == asked.content_id("cpu")
        accepted.append((job, asked))
        return job

    async def until_state(job: str, wanted: str) -> None:
        async def reached() -> bool:
            return (await asking.status(job)).state == wanted

        await until_async(reached, f"{job} is {wanted}")

    old = submit(drivers[0], 10)
    await until_state(old, "finished")
    accepted.clear()
    # Of each process one that runs through all steps.
    for driver in drivers:
        await until_state(submit(driver, 600), "running")
    for step in (2 * HOUR, -2 * HOUR, -HOUR, HOUR):
        clock.step(step)
        submit(drivers[len(accepted) % 2], 30)
        await asyncio.sleep(1.5 * LEASE_SECONDS)  # whoever took the step for silence would act
        assert [(await asking.status(job)).attempts for job, _ in accepted[:2]] == [1, 1]
    for job, _ in accepted:
        await until_state(job, "finished")

    async def is_forgotten() -> bool:
        try:
            await asking.status(old)
        except NotFound:
            return True
        return False

    assert await is_forgotten()
    page = (await lists.page(EVERYTHING, None, 100)).items
    assert [each.id for each in page] == [job for job, _ in reversed(accepted)]
    for job, asked in accepted:
        status = await asking.status(job)
        assert (status.state, status.error, status.attempts) == ("finished", None, 1)
        body = await asking.result(job)
        assert body is not None
        result = orjson.loads(body)
        assert result["digest"] == expected_digest(asked)
        assert result["provenance"]["seconds"] >= 0
        events = [event async for event in asking.follow(job, None)]
        states = [each.data["state"] for each in events if each.name == "state"]
        assert states == ["queued", "running", "finished"]
    await asking.close()
    await lists.close()
