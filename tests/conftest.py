"""What holds for every test: threads, environment, which tests run, and what they report."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.house.gates import reason_to_skip

# Before a test imports NumPy: a multithreaded BLAS sums in another order on another machine,
# and eight of its threads on two cores are slower than one.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

#: What a person may set to choose tests; everything else with our prefix is a setting of a
#: service, and one that happens to be set in the shell must not reach a test.
CHOICES = {
    "RELU_LANDSCAPE_LONG", "RELU_LANDSCAPE_ACCEPTANCE", "RELU_LANDSCAPE_NETNS",
    "RELU_LANDSCAPE_TEST_KERNEL",
}  # fmt: skip

for variable in [name for name in os.environ if name.startswith("RELU_LANDSCAPE_")]:
    if variable not in CHOICES:
        del os.environ[variable]


#: Tests of the engine are arithmetic, and run beside anything. Those of everything else start
#: servers, stores, workers and browsers, and run one after another.
ARITHMETIC = ("tests/service/engine/", "tests/acceptance/")


class Apart(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Where tests run in several processes: all that serve in one of them, the others by file.

    (Of xdist 3.8 ``--dist loadgroup`` would do, had it an effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(ARITHMETIC) else "served"


@pytest.hookimpl(optionalhook=True)  # mutants are tried without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Apart:
    return Apart(config, log)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes by their number: packed ones hold the hour, and each process would name them otherwise.

    Processes whose tests have different names run none of them.
    """
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons: dict[frozenset[str], str | None] = {}
    for item in items:
        markers = frozenset(marker.name for marker in item.iter_markers())
        if markers not in reasons:
            reasons[markers] = reason_to_skip(markers, os.environ)
        reason = reasons[markers]
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def validation_row(
    record_property: Callable[[str, object], None],
) -> Callable[[str, object, object], None]:
    """``validation_row(quantity, published, found)``: a line of docs/validation.md."""

    def add(quantity: str, published: object, found: object) -> None:
        record_property("row", json.dumps([quantity, str(published), str(found)]))

    return add


@pytest.fixture(autouse=True)
def _peak_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """Peak resident memory of this process during an acceptance test, for docs/validation.md."""
    watch = Path("/proc/self/clear_refs")
    if request.node.get_closest_marker("acceptance") is None or not watch.exists():
        yield
        return
    watch.write_text("5")  # proc(5): resets VmHWM to what is resident now
    yield
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    request.node.user_properties.append(("peak_mib", round(int(peak.split()[1]) / 1024)))
