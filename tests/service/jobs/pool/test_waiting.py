"""What keeps the first chunks of a job waiting: others before them, and imports."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool.base import Work, line_up
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.device import choose_backend
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import request
from tests.service.jobs.toy_engine import TOY, Sample


@dataclass(frozen=True, kw_only=True)
class Searching(Sample):
    """Others wait for its answer."""

    beside: ClassVar[str] = "structures"


def _tasks() -> list[Task[Any, Any]]:
    kinds = (Sample, Searching, Sample, Searching, Sample)
    return [kind(key=f"{n}", first=n, last=n + 1) for n, kind in enumerate(kinds)]


def _keys(tasks: Any) -> str:
    return "".join(task.key for task in tasks)


def test_what_others_wait_for_goes_first_each_in_its_order() -> None:
    line = deque(_tasks()[:1])
    line_up(line, _tasks()[1:], lambda task: task)
    assert _keys(line) == "13024"


def test_so_it_does_in_the_lanes_of_a_service(settings: Settings) -> None:
    """Nothing is started: no worker takes a chunk out of the line."""
    pool = DaskPool(settings, TOY, choose_backend("numpy"))
    lane = pool.lane(Work(TOY.analysis("landscape").composition, request()))
    lane.put(_tasks()[:3])
    lane.put(_tasks()[3:])
    assert _keys(chunk.task for chunk in lane.waiting) == "31024"


def test_a_worker_that_is_warmed_imports_nothing_that_is_seldom_needed() -> None:
    """A quarter of its 1.3 CPU s went into a package that no chunk of a landscape asks for."""
    code = (
        "import sys\n"
        "from relu_landscape.jobs.pool.worker import warm\n"
        "warm(('relu_landscape.engine.landscape:COMPOSITION',))\n"
        "print('relu_landscape.engine.landscape.solve' in sys.modules)\n"
        "print([name for name in ('scipy.optimize', 'scipy.sparse') if name in sys.modules])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert told == "True\n[]\n"
