"""Trajectories as the server describes them, read by the client."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape_client import (
    LandscapeCancelled,
    LandscapeFailed,
    ProtocolError,
    Trajectory,
    TrajectoryRun,
    _flows,
)
from relu_landscape_client._steps import Answer, Call, Now
from tests.clients.served import Served

mpl.use("Agg")

Run = Callable[..., Any]


def solved(**fields: Any) -> tuple[Trajectory, dict[str, TrajectoryRun]]:
    """A trajectory and its runs, computed here."""
    request = TrajectoryRequest.model_validate(
        {"student_width": 2, "teacher_width": 2, "points": 5, **fields}
    )
    solution = solve_locally(request, workers=1)
    listed: Any = solution.result["runs"]
    overviews: dict[str, dict[str, Any]] = {run["key"]: run for run in listed}
    runs = {
        key: TrajectoryRun.from_document({**overviews[key], **part})
        for key, part in solution.parts.items()
    }
    return Trajectory.from_document(solution.result), runs


@pytest.fixture(scope="module")
def ensemble() -> tuple[Trajectory, dict[str, TrajectoryRun]]:
    return solved(method="sgd", learning_rate=0.5, input_dimension=30, until=10.0, runs=3)


def test_arrays_have_the_shapes_that_are_said(
    ensemble: tuple[Trajectory, dict[str, TrajectoryRun]],
) -> None:
    found, runs = ensemble
    assert found.times.shape == found.loss.mean.shape == (5,)
    assert found.steps == (0, 150, 300, 450, 600)
    assert found.loss.running == (3,) * 5
    assert [run.key for run in found.runs] == ["r1", "r2", "r3"] == list(runs)
    one = runs["r2"]
    assert one.R.shape == one.Q.shape == (5, 2, 2)
    assert one.norms.shape == one.matched_teacher.shape == (5, 2)
    assert one.norms == pytest.approx(np.sqrt(np.einsum("tii->ti", one.Q)))
    together = np.array([run.loss for run in runs.values()])
    assert found.loss.mean == pytest.approx(together.mean(axis=0))
    assert sum(each.runs for each in found.attractors) == 3
    assert not one.R.flags.writeable


def test_what_ran_away_is_not_a_number() -> None:
    found, runs = solved(method="sgd", learning_rate=8.0, input_dimension=30, until=20.0)
    assert found.runs[0].outcome.startswith("ran away")
    assert np.isnan(found.runs[0].last_loss)
    assert np.isnan(found.loss.mean[-1])
    assert np.isnan(runs["r1"].R[-1]).all()
    assert runs["r1"].R.shape == (5, 2, 2)
    assert found.attractors == ()


def test_a_second_layer_is_an_array_where_there_is_one(
    ensemble: tuple[Trajectory, dict[str, TrajectoryRun]],
) -> None:
    """Of a run that ended before, not a number; without a rule there is no step and no layer."""
    found, runs = solved(rule="two_layer", until=4.0, start_layer=0.5)
    one = runs["r1"]
    assert one.second_layer is not None
    assert one.second_layer.shape == (5, 2)
    assert one.second_layer[0].tolist() == [0.5, 0.5]
    assert found.step == pytest.approx(4 / 12)
    assert found.steps == (0, 3, 6, 9, 12)
    assert "(flow, two_layer)" in repr(found)
    _, lost = solved(rule="two_layer", until=400.0, step=6.0, seed=4)
    assert np.isnan(lost["r1"].loss[-1])
    assert lost["r1"].second_layer is not None
    assert np.isnan(lost["r1"].second_layer[-1]).all()
    assert ensemble[0].step is None
    assert ensemble[1]["r1"].second_layer is None


def test_it_is_drawn(ensemble: tuple[Trajectory, dict[str, TrajectoryRun]]) -> None:
    from matplotlib import pyplot

    found, _ = ensemble
    ax: Any = found.plot()
    ax.figure.canvas.draw()
    (line,) = ax.lines
    assert line.get_ydata() == pytest.approx(found.loss.mean)
    assert len(ax.collections) == 1  # the band
    assert ax.get_title() == "sgd, 3 runs"
    pyplot.close("all")


def test_equal_pickled_and_written(
    ensemble: tuple[Trajectory, dict[str, TrajectoryRun]], tmp_path: Path
) -> None:
    found, _ = ensemble
    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(pickle.loads(pickle.dumps(found)))
    assert found.to_json(tmp_path / "t.json") == (tmp_path / "t.json").read_text()
    assert "3 runs to time 10" in repr(found)
    with pytest.raises(ProtocolError, match="attractors"):
        Trajectory.from_document(
            {name: value for name, value in found.document.items() if name != "attractors"}
        )


def test_either_client_asks_and_reads(run: Run, server: Served) -> None:
    server.finish_at_once()
    found = run("trajectory", 2, 3, until=7.0, progress=False)
    assert found.request["until"] == 7.0
    assert found.times.tolist() == [0.0, 7.0]
    one = run("run", found, "r1")
    assert one.R.shape == (2, 2, 3)
    assert run("run", found.id, "r1").document == one.document


def test_a_landscape_of_the_same_fields_is_another_thing_in_the_cache(
    run: Run, server: Served
) -> None:
    server.finish_at_once()
    landscape = run("landscape", 2, 2)
    first = run("trajectory", 2, 2)
    assert first.id != landscape.id
    server.line.requests.clear()
    assert run("trajectory", 2, 2) == first
    assert run("landscape", 2, 2) == landscape
    assert server.line.asked == ["GET /v1/service-info"] * 2


@pytest.mark.parametrize(
    ("state", "error", "sentence"),
    [
        ("failed", LandscapeFailed, f"trajectory {12 * 'a'} failed: It fell."),
        ("cancelled", LandscapeCancelled, f"trajectory {12 * 'a'} was cancelled; asking again"),
    ],
)
def test_an_end_without_a_result_is_called_by_its_kind(
    state: str, error: type[Exception], sentence: str
) -> None:
    """The conversation, with the server's part said here."""
    talk = _flows.follow(64 * "a", kind=_flows.TRAJECTORIES)
    assert isinstance(next(talk), Now)
    asked = talk.send(0.0)
    assert isinstance(asked, Call)
    assert asked.path == f"v1/trajectories/{64 * 'a'}"
    status: dict[str, Any] = {
        "id": 64 * "a", "kind": "trajectory", "state": state, "request": {}, "progress": {},
        "findings": [{"time": 1.0, "loss": 0.5}], "created_at": "", "started_at": None,
        "finished_at": None, "error": "It fell.", "attempts": 1, "needs": {}, "left_out": [],
    }  # fmt: skip
    status["progress"] = Progress().model_dump()
    with pytest.raises(error, match=re.escape(sentence)):
        talk.send(Answer(200, json.dumps(status).encode(), {}))
