"""``serve`` around the service in memory, in a process of its own."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Starting an interpreter with the service's libraries takes seconds on a busy machine.
DEADLINE_SECONDS = 60.0

#: The server around the service in memory; says when the service was closed.
PROGRAM = """
import sys
from contextlib import asynccontextmanager
from relu_landscape_api.serve import serve
from relu_landscape.jobs.testing import InMemoryService

@asynccontextmanager
async def held(settings):
    async with InMemoryService.open(settings) as service:
        service.holds_jobs = True
        yield service
    print("closed", flush=True)

sys.exit(serve(service_factory=held))
"""


class Server:
    """One running server process."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={
                **os.environ,
                "RELU_LANDSCAPE_DATA_DIR": str(folder),
                "RELU_LANDSCAPE_PORT": "0",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready_url(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0]
        line = self.process.stdout.readline()
        assert line.startswith("relu-landscape "), (line, self.process.poll())
        return line.rsplit(" ", 1)[1].strip()

    def stop(self, number: int = signal.SIGTERM) -> tuple[str, str]:
        self.process.send_signal(number)
        return self.process.communicate(timeout=DEADLINE_SECONDS)
