"""Networks of other libraries as a question; the answer read by the client."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.points import PointsRequest
from relu_landscape_client import Points, RequestRefused, Status, _flows, _networks
from relu_landscape_client._cache import Cache
from relu_landscape_client._steps import Answer, Call


class Tensor:
    """What a tensor on another device with a gradient lets others do."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values, dtype=np.float32)
        self._steps: tuple[str, ...] = ()

    def detach(self) -> Tensor:
        return self._after("detach")

    def cpu(self) -> Tensor:
        return self._after("cpu")

    def numpy(self) -> NDArray[Any]:
        assert self._steps == ("detach", "cpu")  # as libraries demand
        return self._values

    def _after(self, step: str) -> Tensor:
        moved = Tensor(self._values)
        moved._steps = (*self._steps, step)
        return moved


def test_tensors_and_state_dicts_are_arrays() -> None:
    W = [[1.0, 2.0, 0.0], [0.5, 0.0, 1.0]]
    assert _networks.network("weights", Tensor(W)).tolist() == W
    assert _networks.network("weights", Tensor(W)).dtype == np.float32
    state = {"0.weight": Tensor(W), "0.bias": Tensor([0.0, 0.0])}
    assert _networks.network("weights", state).tolist() == W
    deep = {"fc1.weight": np.array(W), "fc2.weight": np.array([[2.0, 3.0]])}
    assert _networks.network("weights", deep).tolist() == [[2.0, 4.0, 0.0], [1.5, 0.0, 3.0]]
    assert _networks.network("weights", [W, W]).shape == (2, 2, 3)


def test_second_layers_are_numbers_of_the_units() -> None:
    """Also as PyTorch has them: (1, K)."""
    options: Any = {"second_layer": Tensor([[2.0, 3.0]]), "teacher_second_layer": [1.0, 4.0]}
    sent = np.load(io.BytesIO(_networks.archive(np.eye(2), np.eye(2), options)))
    assert sent["second_layer"].tolist() == [2.0, 3.0]
    assert sent["teacher_second_layer"].tolist() == [1.0, 4.0]
    assert json.loads(str(sent["options"])) == {}


def test_signs_of_a_state_dict_go_beside_its_first_layer() -> None:
    state = {"fc1.weight": np.eye(2), "fc2.weight": np.array([[2.0, -3.0]])}
    sent = np.load(io.BytesIO(_networks.archive(state, np.eye(2), {})))
    assert sent["weights"].tolist() == [[2.0, 0.0], [0.0, 3.0]]
    assert sent["second_layer"].tolist() == [1.0, -1.0]
    assert "teacher_second_layer" not in sent
    both = np.load(io.BytesIO(_networks.archive(np.eye(2), state, {"second_layer": [1.0, 2.0]})))
    assert both["teacher_second_layer"].tolist() == [1.0, -1.0]
    assert both["second_layer"].tolist() == [1.0, 2.0]
    with pytest.raises(RequestRefused, match="of its own"):
        _networks.archive(state, None, {"second_layer": [1.0, 1.0]})


def test_ends_with_signs_are_read() -> None:
    found = Points.from_document(solve_locally(PointsRequest.model_validate({
        "weights": [[0.9, 0.2], [0.1, 1.1]], "second_layer": [1.0, -1.0],
        "teacher_second_layer": [1.0, -1.0],
    }), workers=1).result)  # fmt: skip
    assert found.fixed_points == ()
    (end,) = found.signed_ends or ()
    assert found.signed_end(found.points[0].end or "") is end
    assert (end.kind, end.student_signs, end.teacher_signs) == ("global", (1, -1), (1, -1))
    assert end.curvature is not None
    assert end.curvature.index == 0
    assert end.relaxation_time is not None
    with pytest.raises(KeyError):
        found.signed_end("m9")


STATES: dict[str, Mapping[str, Any]] = {
    "biases": {"w": np.eye(2), "b": np.ones(2)},
    "one or two": {"b": np.zeros(2)},
    "w (2, 2), v (1, 2), u (1, 1)": {"w": np.eye(2), "v": np.ones((1, 2)), "u": np.ones((1, 1))},
    "second layer": {"w": np.eye(2), "v": np.ones((3, 2))},
    "has a zero": {"w": np.eye(2), "v": np.array([[1.0, 0.0]])},
}


@pytest.mark.parametrize("words", STATES)
def test_other_networks_are_refused_before_anything_is_sent(words: str) -> None:
    with pytest.raises(RequestRefused, match="weights") as refused:
        _networks.network("weights", STATES[words])
    assert words in str(refused.value)


def test_what_is_no_real_array_is_refused() -> None:
    for given in ([[1.0], [1.0, 2.0]], [["a"]], [[1j]], [[None]]):
        with pytest.raises(RequestRefused):
            _networks.archive(given, None, {})
    with pytest.raises(RequestRefused, match="no JSON form"):
        _networks.archive(np.eye(2), None, {"label_noise": float("nan")})


def test_equal_questions_are_equal_bytes_and_are_remembered(tmp_path: Any) -> None:
    asked = _networks.archive(
        np.eye(2), np.eye(2), {"nearest": 1, "follow": None, "spectrum": True}
    )
    same = _networks.archive(np.eye(2), np.eye(2), {"spectrum": True, "nearest": np.int64(1)})
    assert asked == same
    with np.load(io.BytesIO(asked)) as arrays:
        assert set(arrays.files) == {"weights", "teacher", "options"}
        assert json.loads(str(arrays["options"])) == {"nearest": 1, "spectrum": True}
    cache = Cache(tmp_path)
    first = _flows.whole(asked, cache, "1/cpu", None, None, _flows.POINTS)
    assert next(first) == Call("POST", "v1/points", archive=asked)
    request = PointsRequest.model_validate({"weights": np.eye(2).tolist(), "nearest": 0})
    found = solve_locally(request, workers=1).result
    with pytest.raises(StopIteration) as ended:
        first.send(Answer(200, json.dumps(found).encode(), {}))
    assert ended.value.value["digest"] == found["digest"]
    again = _flows.whole(asked, cache, "1/cpu", None, None, _flows.POINTS)
    with pytest.raises(StopIteration) as known:  # without a step
        next(again)
    assert known.value.value == ended.value.value


@pytest.fixture(scope="module")
def located() -> Points:
    W = np.random.default_rng(3).standard_normal((3, 3, 2)) + np.eye(3, 2)
    arrays = {"weights": W, "teacher": np.eye(2)}
    options: Any = {"sample_size": 100, "certify": "fast", "nearest": 1}
    request = PointsRequest.model_validate(PointsRequest.of_arrays(arrays, options))
    return Points.from_document(solve_locally(request, workers=1).result)


def test_columns_are_over_the_points(located: Points) -> None:
    assert located.losses.shape == located.distances.shape == located.ends.shape == (3,)
    assert located.losses.tolist() == [point.loss for point in located.points]
    for point in located.points:
        assert point.end is not None
        assert located.fixed_point(point.end).key == point.end
        assert point.matched_teacher.count(None) == 1
        assert np.isnan(point.cosines).sum() == 1
        assert point.widening is not None
        assert point.widening.splitting.shape == (3,)
    assert sum(each.points for each in located.fixed_points) == 3
    with pytest.raises(KeyError):
        located.fixed_point("m99")


def test_a_finished_job_is_of_its_kind(located: Points) -> None:
    """It said landscape: both results have fixed points."""
    status = Status.from_document(located.document)
    assert (status.kind, status.state) == ("points", "finished")


def test_short_in_print_and_the_same_after_pickling(located: Points) -> None:
    assert repr(located) == "<Points: 3 networks, 3 of them with an end>"
    assert "LocatedPoint p1: loss" in repr(located.points[0])
    again = pickle.loads(pickle.dumps(located))
    assert again == located
    assert hash(again) == hash(located)
    assert json.loads(located.to_json())["digest"] == located.digest
