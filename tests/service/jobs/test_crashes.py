"""``kill -9`` of everything at random moments: no acknowledged job is lost, and none is stuck.

``RELU_LANDSCAPE_LONG=1`` kills each kind of process ten times instead of twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import psutil
import pytest

from relu_landscape.jobs.running.sealing import digest
from relu_landscape.jobs.store.archive import open_archive
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.embedded import EmbeddedServer, prepare_folder
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.sweeps import SweepRequest
from tests.processes import workers_of
from tests.service.jobs.helpers import expected_digest, request, until, until_async
from tests.service.jobs.toy_engine import SWEPT, TOY

KILLS = 10 if os.environ.get("RELU_LANDSCAPE_LONG") == "1" else 2
#: Long enough for a busy machine to start workers and compute what the tests ask for.
DEADLINE_SECONDS = 300.0
ROOT = Path(__file__).parents[3]


class Driver:
    """The serving process, started again whenever it was killed."""

    def __init__(self, settings: Settings, environment: dict[str, str]) -> None:
        self.settings = settings
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._environment = {**os.environ, **environment, "PYTHONPATH": path}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service.jobs.driver"],
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._line() == "ready"

    def submit(self, asked: AnalysisRequest) -> str | None:
        """The id, once acknowledged; ``None`` if the process died over it."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(asked.canonical()) + b"\n")
        self._process.stdin.flush()
        return self._line() or None

    def send(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """End it gracefully, if it lives."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def workers(self) -> list[psutil.Process]:
        assert self._process is not None
        return workers_of(self._process.pid)

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def _end(self) -> None:
        assert self._process is not None
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(DEADLINE_SECONDS)
        self._process = None


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def _store_process(settings: Settings) -> int | None:
    socket = prepare_folder(settings.data_dir).socket
    try:
        with Target.embedded(str(socket)).connect() as client:
            return int(client.info("server")["process_id"])
    except Exception:  # it does not answer just now
        return None


@pytest.fixture
def driver(folder: Path) -> Iterator[Driver]:
    environment = {
        "RELU_LANDSCAPE_DATA_DIR": str(folder),
        "RELU_LANDSCAPE_WORKERS": "2",
        "RELU_LANDSCAPE_LEASE_SECONDS": "1",
        "RELU_LANDSCAPE_JOBS_AT_ONCE": "3",
        "RELU_LANDSCAPE_LOG_LEVEL": "error",
        "RELU_LANDSCAPE_KERNEL": "numpy",
        "RELU_LANDSCAPE_ARCHIVE": str(folder / "archive"),
    }
    made = Driver(Settings.load(data_dir=folder, lease_seconds=1.0), environment)
    yield made
    made.stop()
    # Whatever a failed test left behind: the last user shuts the store down.
    server = EmbeddedServer(made.settings)
    server.open()
    server.close()


def kill_worker(driver: Driver) -> None:
    victims: list[psutil.Process] = []

    def found() -> bool:
        victims[:] = driver.workers()
        return bool(victims)

    until(found, "a worker lives", DEADLINE_SECONDS)
    with contextlib.suppress(psutil.NoSuchProcess):
        random.choice(victims).kill()


def kill_store(driver: Driver) -> None:
    found: list[int] = []

    def answers() -> bool:
        found[:] = [process for process in [_store_process(driver.settings)] if process]
        return bool(found)

    until(answers, "the store answers", DEADLINE_SECONDS)
    os.kill(found[0], signal.SIGKILL)


def kill_driver(driver: Driver) -> None:
    """A killed driver's workers must not go on by themselves; its store must."""
    workers = driver.workers()
    driver.kill()
    until(lambda: not any(map(is_running, workers)), "its workers are gone", DEADLINE_SECONDS)
    driver.start()


def kill_store_and_driver(driver: Driver) -> None:
    kill_store(driver)
    kill_driver(driver)


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def check_all(driver: Driver, accepted: dict[str, LandscapeRequest]) -> None:
    """Every acknowledged job finishes, with the bytes that an undisturbed run gives."""
    socket = prepare_folder(driver.settings.data_dir).socket
    settings = driver.settings.model_copy(update={"request_patience_seconds": 30.0})
    asking = AskingStore(Target.embedded(str(socket)), settings, TOY, "cpu")
    for job, asked in accepted.items():

        async def over(job: str = job) -> bool:
            return (await asking.status(job)).is_over

        await until_async(over, f"{job} is over: {await asking.status(job)}", DEADLINE_SECONDS)
        status = await asking.status(job)
        assert (status.state, status.error) == ("finished", None)
        body = await asking.result(job)
        assert body is not None
        result: dict[str, Any] = orjson.loads(body)
        assert result["digest"] == digest(result) == expected_digest(asked)
    assert (await asking.figures())["finished"] == len(accepted)
    with Target.embedded(str(socket)).connect() as client:
        assert client.keys("*:chunks:*") == client.keys("*:lease:*") == []
        # What other jobs may use is there whole or not at all: a sum, as the toy's judges answer.
        memos = cast("list[bytes]", client.keys("*:memo:*"))
        assert len(memos) >= len(accepted)
        assert all(orjson.loads(client.get(name)).keys() == {"value"} for name in memos)
    await asking.close()


async def check_archive(driver: Driver) -> None:
    """Every result is archived whole, however often its process was killed before or meanwhile.

    The last kill comes right after a result, and most often before the archive has it.
    """
    asked = request(starts=10)
    job = driver.submit(asked)
    assert job is not None
    await check_state(driver, job)
    kill_driver(driver)
    socket = prepare_folder(driver.settings.data_dir).socket
    target = Target.embedded(str(socket))
    shelf = Shelf(target, driver.settings, patience=30.0, stop=threading.Event())
    archive = open_archive(str(driver.settings.data_dir / "archive"))
    assert archive is not None
    results = {job: shelf.bundle(job) for job in shelf.finished()}
    assert job in results
    until(lambda: set(archive.jobs()) == set(results), "all are archived", DEADLINE_SECONDS)
    for job, bundle in results.items():
        kept = archive.get(job)
        assert kept is not None
        assert kept == bundle
    shelf.close()


async def check_state(driver: Driver, job: str) -> None:
    """It is finished; looked at often, so that what comes next comes right after."""
    socket = prepare_folder(driver.settings.data_dir).socket
    asking = AskingStore(Target.embedded(str(socket)), driver.settings, TOY, "cpu")

    async def over() -> bool:
        return await asking.state(job) == "finished"

    await until_async(over, f"{job} is finished", DEADLINE_SECONDS)
    await asking.close()


async def check_memos(driver: Driver, accepted: dict[str, LandscapeRequest]) -> None:
    """A job of the same seed, which takes the sums of one that was killed, has the right result."""
    twins = {}
    for asked in accepted.values():
        twin = asked.model_copy(update={"init_scale": 0.001})
        job = driver.submit(twin)
        assert job is not None
        twins[job] = twin
    await check_all(driver, accepted | twins)


async def test_whatever_is_killed_no_job_is_lost_stuck_or_changed(driver: Driver) -> None:
    victims = [kill_driver, kill_worker, kill_store] * KILLS + [kill_store_and_driver]
    moments = random.Random(1)
    moments.shuffle(victims)
    accepted: dict[str, LandscapeRequest] = {}
    driver.start()
    for kill in victims:
        asked = request(starts=150, seconds=0.05)
        job = driver.submit(asked)
        assert job == asked.content_id("cpu")
        accepted[job] = asked
        # The moment of the kill is the point of the test, so this is a sleep, not a wait.
        await asyncio.sleep(moments.uniform(0.0, 1.0))
        kill(driver)
    await check_all(driver, accepted)
    await check_memos(driver, accepted)
    await check_archive(driver)
    unfinished = request(starts=2000, seconds=0.05)
    assert driver.submit(unfinished) is not None
    check_end(driver)


async def test_a_sweep_that_is_killed_goes_on_and_computes_no_cell_twice(driver: Driver) -> None:
    asked = SweepRequest.model_validate(
        {
            "base": {"K": 2, "width": 2, "starts": 10, "init_scale": 0.1},
            "grid": {"seed": list(range(12))},
        }
    )
    driver.start()
    job = driver.submit(asked)
    assert job == asked.content_id("cpu")
    socket = prepare_folder(driver.settings.data_dir).socket
    settings = driver.settings.model_copy(update={"request_patience_seconds": 30.0})
    asking = AskingStore(Target.embedded(str(socket)), settings, SWEPT, "cpu")

    async def finished() -> int:
        return int((await asking.figures())["finished"])

    async def some() -> bool:
        return await finished() >= 3

    await until_async(some, "three cells are done", DEADLINE_SECONDS)
    kill_driver(driver)
    before = await finished()

    async def over() -> bool:
        return (await asking.status(job)).is_over

    await until_async(over, "the sweep is over", DEADLINE_SECONDS)
    status = await asking.status(job)
    assert (status.state, status.attempts, status.error) == ("finished", 2, None)
    body = await asking.result(job)
    assert body is not None
    rows = orjson.loads(body)["rows"]
    assert [row["values"]["seed"] for row in rows] == list(range(12))
    once = 0
    for row in rows:
        own = LandscapeRequest(
            student_width=2, teacher_width=2, starts=10, seed=row["cell"], init_scale=0.1
        )
        assert row["digest"] == expected_digest(own)
        once += (await asking.status(row["landscape"])).attempts == 1
    assert once >= before
    await asking.close()


def check_end(driver: Driver) -> None:
    """A graceful end leaves no process behind."""
    store, workers = _store_process(driver.settings), driver.workers()
    assert store is not None
    assert len(workers) >= 2
    processes = [psutil.Process(store), *workers]
    driver.stop()
    until(lambda: not any(map(is_running, processes)), "store and workers are gone")
