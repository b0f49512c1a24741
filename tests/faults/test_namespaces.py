"""API, Redis, scheduler and two workers on machines of their own, which lose each other.

Asked for by ``RELU_LANDSCAPE_NETNS=1``: it takes root, ``ip`` and some minutes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.faults.network import DASK, Machine, Network
from tests.service.jobs.external import BINARY
from tests.service.jobs.helpers import PATIENCE_SECONDS, expected_digest, request, until
from tests.service.jobs.toy_engine import TOY

pytestmark = [pytest.mark.netns, pytest.mark.external_redis]

#: What is promised (docs/reliability.md): work goes on so long after the fault, or after its end
#: where nothing can go on meanwhile. TCP gives a silent connection up after 30 s.
RECOVERY_SECONDS = 45.0
#: Chunks that are done before a fault, so that it meets a job that computes.
BEGUN = 5


@dataclass
class Laboratory:
    """Six machines: two with an API."""

    network: Network
    folder: Path
    apis: list[Machine]
    store: Machine
    scheduler: Machine
    workers: list[Machine]
    target: Target

    def start_worker(self, machine: Machine) -> None:
        machine.start(
            *DASK, "worker", f"tcp://{self.scheduler.address}:8786", "--nworkers", "1",
            "--nthreads", "1", "--no-dashboard", "--host", machine.address,
            "--local-directory", str(self.folder), "--death-timeout", "600",
            log=self.folder / "worker.log",
        )  # fmt: skip

    def supervise(self) -> None:
        """Start the workers that have ended again, as systemd or Docker would.

        Dask's workers end when they lose their scheduler.
        """
        for each in self.workers:
            if each.processes and each.is_idle:
                each.die()
                each.plug_in()
                self.start_worker(each)

    def start_scheduler(self) -> None:
        self.scheduler.start(
            *DASK, "scheduler", "--host", self.scheduler.address, "--port", "8786",
            "--no-dashboard", "--dashboard-address", f"{self.scheduler.address}:0",
            log=self.folder / "scheduler.log",
        )  # fmt: skip

    def start_store(self) -> None:
        # The socket is for the test, which is on none of these machines.
        self.store.start(
            str(BINARY), "--bind", self.store.address, "--port", "6379", "--protected-mode", "no",
            "--unixsocket", str(self.folder / "redis.sock"), "--dir", str(self.folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "always",
            log=self.folder / "store.log",
        )  # fmt: skip

    def start_api(self, machine: Machine) -> subprocess.Popen[bytes]:
        process = machine.start(
            sys.executable, "-m", "tests.service.jobs.driver",
            log=self.folder / "api.log",
            RELU_LANDSCAPE_REDIS_URL=f"redis://{self.store.address}:6379/0",
            RELU_LANDSCAPE_DASK_SCHEDULER=f"tcp://{self.scheduler.address}:8786",
            RELU_LANDSCAPE_DASK_INSECURE="true",
            RELU_LANDSCAPE_KERNEL="numpy",
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", (self.folder / "api.log").read_text()
        return process

    def submit(self, api: subprocess.Popen[bytes], asked: LandscapeRequest) -> str:
        assert api.stdin is not None
        assert api.stdout is not None
        api.stdin.write(orjson.dumps(asked.canonical()) + b"\n")
        api.stdin.flush()
        return api.stdout.readline().decode().strip()

    def done(self, job: str) -> int:
        """Chunks of the job whose answers the store has."""
        with self.target.connect() as client:
            if client.hget(f"relu-landscape:job:{job}", "state") == b"finished":
                return 1_000_000
            return int(client.hlen(f"relu-landscape:chunks:{job}"))

    def digest(self, job: str) -> str:
        async def read() -> bytes | None:
            asking = AskingStore(self.target, Settings.load(), TOY, "cpu")
            try:
                return await asking.result(job)
            finally:
                await asking.close()

        found = asyncio.run(read())
        assert found is not None
        return str(orjson.loads(found)["digest"])


@pytest.fixture
def laboratory() -> Iterator[Laboratory]:
    with tempfile.TemporaryDirectory(prefix="rl-") as name, closing(Network()) as network:
        folder = Path(name)
        made = Laboratory(
            network, folder, [network.machine(each) for each in ("api0", "api1")],
            network.machine("store"), network.machine("dask"),
            [network.machine(each) for each in ("worker0", "worker1")],
            Target(f"unix://{folder}/redis.sock", None),
        )  # fmt: skip
        made.start_store()
        until(lambda: (folder / "redis.sock").exists(), "the store is there")
        made.start_scheduler()
        for each in made.workers:
            made.start_worker(each)
        yield made


def goes_on(laboratory: Laboratory, job: str, since: float) -> float:
    """Seconds after ``since`` until more chunks are done than could have been on their way."""
    already = laboratory.done(job)

    def is_more_done() -> bool:
        laboratory.supervise()
        # Two are in flight for each worker, and may have been computed before.
        return laboratory.done(job) > already + 4

    until(is_more_done, "the job goes on", RECOVERY_SECONDS)
    return time.monotonic() - since


def finishes(laboratory: Laboratory, job: str, asked: LandscapeRequest) -> None:
    until(lambda: laboratory.done(job) == 1_000_000, "the job is finished")
    assert laboratory.digest(job) == expected_digest(asked)


FAULTS = ["worker dies", "worker lost for a while", "scheduler dies", "store lost for a while",
          "API dies", "everything is slow and lossy"]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_work_goes_on(
    laboratory: Laboratory, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api = laboratory.start_api(laboratory.apis[0])
    if fault == "API dies":
        laboratory.start_api(laboratory.apis[1])
        laboratory.apis[1].unplug()  # else it may be the first to claim
    asked = request(starts=400, seconds=0.2)
    job = laboratory.submit(api, asked)
    until(lambda: laboratory.done(job) >= BEGUN, "some chunks are done", PATIENCE_SECONDS)
    laboratory.apis[1].plug_in()
    began = time.monotonic()
    if fault == "worker dies":
        laboratory.workers[0].die()
    elif fault == "worker lost for a while":
        laboratory.workers[0].unplug()
        goes_on(laboratory, job, began)
        laboratory.workers[0].plug_in()
    elif fault == "scheduler dies":
        laboratory.scheduler.die()
        laboratory.scheduler.plug_in()
        laboratory.start_scheduler()
    elif fault == "store lost for a while":
        laboratory.store.unplug()
        time.sleep(15)  # longer than a lease: the moment of the end is the point
        laboratory.store.plug_in()
        began = time.monotonic()
    elif fault == "API dies":
        laboratory.apis[0].die()
    else:
        disturb_all(laboratory)
    taken = goes_on(laboratory, job, began)
    with capsys.disabled():
        print(f"\n{fault}: goes on after {taken:.1f} s")
    finishes(laboratory, job, asked)


def disturb_all(laboratory: Laboratory) -> None:
    everyone = [*laboratory.apis, laboratory.store, laboratory.scheduler, *laboratory.workers]
    try:
        for each in everyone:
            each.disturb("delay", "40ms", "10ms", "loss", "3%")
    except subprocess.CalledProcessError as error:
        if "qdisc kind is unknown" not in error.stderr:
            raise
        pytest.skip("this kernel has no netem (CONFIG_NET_SCH_NETEM)")
