"""Against a Dask scheduler and worker in processes of their own, as a lab would run them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from relu_landscape.jobs.service import AnalysisService
from relu_landscape.jobs.store.embedded import EmbeddedServer
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import (
    PATIENCE_SECONDS,
    expected_digest,
    request,
    until_async,
)
from tests.service.jobs.toy_engine import TOY

ROOT = Path(__file__).parents[3]


class Cluster:
    """A scheduler and one worker; both may be killed and started again on the same port."""

    def __init__(self, scratch: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self._scratch = str(scratch)
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        quiet = ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        self._run("scheduler", "--host", self.address, *quiet)
        self._run(
            "worker", self.address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard",
            "--local-directory", self._scratch, "--death-timeout", str(PATIENCE_SECONDS),
        )  # fmt: skip

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait(PATIENCE_SECONDS)
        self._processes.clear()

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-c", "from dask.__main__ import main; main()", *arguments]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path}
        self._processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.kill()


async def test_a_cluster_may_come_late_die_and_come_back(
    cluster: Cluster, server: EmbeddedServer
) -> None:
    settings = Settings.load(
        data_dir=server.paths.folder.parent,
        redis_prefix="external-dask",
        dask_scheduler=cluster.address,
        kernel="numpy",
    )
    asked = request(starts=200, seconds=0.1)
    async with AnalysisService.open(settings, registry=TOY) as service:
        readiness = await service.readiness()
        assert not readiness.ready
        assert readiness.checks["pool"] != "ok"
        status = await service.submit(asked)  # accepted: it waits for workers

        async def chunks_done(least: int) -> bool:
            return (await service.status(status.id)).progress.tasks_done >= least

        cluster.start()
        await until_async(lambda: chunks_done(3), "some chunks are done")
        assert (await service.readiness()).ready
        cluster.kill()

        async def noticed() -> bool:
            return not (await service.readiness()).ready

        await until_async(noticed, "the loss is noticed")
        cluster.start()
        over = await service.wait(status.id, PATIENCE_SECONDS)
        assert (over.state, over.attempts) == ("finished", 1)
        result = orjson.loads(await service.result(status.id))
        assert result["digest"] == expected_digest(asked)
