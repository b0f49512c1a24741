"""The progress bar, and what importing the package costs."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import relu_landscape_client
from relu_landscape_client import Status, _bar
from tests.clients.samples import ASKED, finding, progress, status


def test_the_bar_says_chunks_points_and_time_left() -> None:
    out = io.StringIO()
    bar = _bar.Bar(out)
    found = [finding("p1"), finding("p2")]
    bar(Status.from_document(status("queued", progress={})))
    bar(Status.from_document(status("running", progress=progress(1))))
    bar(Status.from_document(status("running", progress=progress(3), findings=found)))
    bar.close()
    text = out.getvalue()
    assert "2/2 queued" in text
    assert "2/2 sample:  25%" in text
    assert "3/4 chunks, 2 fixed points, 1 s left" in text
    assert text.endswith("\n")


def test_long_waits_are_told_in_minutes() -> None:
    late = progress(1).model_copy(update={"seconds_left": 3600.0})
    slow = Status.from_document(status("running", progress=late))
    assert _bar._words(slow) == "60 min left"


def test_a_range_of_the_time_left_is_told_where_it_says_more() -> None:
    def words(**fields: object) -> str:
        at = progress(1).model_copy(update=fields)
        return _bar._words(Status.from_document(status("running", progress=at)))

    assert words(seconds_left=12.3, seconds_left_range=[8.2, 20.4]) == "8 to 20 s left"
    assert words(seconds_left=12.3, seconds_left_range=[12.2, 12.4]) == "12 s left"
    assert words(seconds_left=600.0, seconds_left_range=[300.0, 1200.0]) == "5 to 20 min left"
    assert words(seconds_left=None, seconds_left_range=None) == ""


def test_a_place_in_the_line_is_heard_and_left() -> None:
    waiting = Status.from_document(status("queued"))
    told = waiting.after("waiting", {"waiting_before": 3})
    assert _bar._words(told).startswith("3 before it")
    assert told.after("waiting", {"waiting_before": "three"}) == told, "what is no number is left"
    assert told.after("state", {"state": "running"}).waiting_before is None


def test_a_bar_is_closed_when_the_landscape_fails(capsys: pytest.CaptureFixture[str]) -> None:
    watchers: list[_bar.Watcher] = []

    def interrupted() -> None:
        with _bar.watching(True) as watcher:
            assert watcher is not None
            watchers.append(watcher)
            watcher(Status.from_document(status("running")))
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        interrupted()
    assert capsys.readouterr().err.endswith("\n")
    assert isinstance(watchers[0], _bar.Bar)
    assert watchers[0]._bar is None


def test_nobody_watches_a_script(
    run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run("landscape", **ASKED)
    assert capsys.readouterr() == ("", "")
    run("landscape", **ASKED, seed=1, progress=True)
    assert "3/4 chunks" in capsys.readouterr().err


#: What a client must never pull in: the server's libraries, the numerics it does without, and the
#: optional ones before they are asked for.
HEAVY = {
    "relu_landscape", "relu_landscape_api", "scipy", "pydantic", "fastapi", "distributed", "redis",
    "matplotlib", "pandas", "xarray", "tqdm", "rich", "orjson", "flint",
}  # fmt: skip


def _fresh(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    "line",
    [
        "import relu_landscape_client",
        "from relu_landscape_client import AsyncClient, Client",
        "from relu_landscape_client import Client, Landscape; Client('http://lab')",
    ],
)
def test_nothing_heavy_is_loaded(line: str) -> None:
    loaded = _fresh(f"{line}\nimport sys; print(*{{name.split('.')[0] for name in sys.modules}})")
    assert HEAVY & set(loaded.split()) == set()


def test_importing_costs_little_more_than_what_it_stands_on() -> None:
    """A ratio of processor times in one run, best of five each: seconds depend on the machine.

    NumPy and httpx2 take 0.15 s where the whole import takes 0.2 s; SciPy or the server would
    multiply it.
    """

    def seconds(line: str) -> float:
        code = (
            f"import time; begin = time.process_time()\n{line}\nprint(time.process_time() - begin)"
        )
        return min(float(_fresh(code)) for _ in range(5))

    whole = seconds("from relu_landscape_client import Client")
    assert whole < 2.0 * seconds("import httpx2, numpy")


def test_every_public_name_is_there() -> None:
    for name in relu_landscape_client.__all__:
        assert getattr(relu_landscape_client, name) is not None
    assert set(relu_landscape_client.__all__) <= set(dir(relu_landscape_client))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = relu_landscape_client.nonsense
