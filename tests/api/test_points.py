"""Points over HTTP: as JSON, as a NumPy archive, and everything that only looks like one."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.located import Points
from relu_landscape.wire.points import PointsRequest
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from relu_landscape_client import AsyncClient, Client, RequestRefused
from tests.api.conftest import MakeClient, service_of
from tests.serving import serving
from tests.tally.test_over_http import DEADLINE_SECONDS, waited

NPZ = {"Content-Type": "application/x-npz"}
W = np.eye(2, 5) + 0.1 * np.random.default_rng(1).standard_normal((2, 5))
V = np.eye(2, 5)


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        settings = ApiSettings.load(data_dir=Path(name), workers=1)
        with (
            serving(create_app(settings)) as running,
            httpx.Client(base_url=running.url, timeout=DEADLINE_SECONDS) as client,
        ):
            yield client


def test_both_forms_are_one_job_that_the_workers_compute(http: httpx.Client) -> None:
    asked = {"weights": W.tolist(), "teacher": V.tolist(), "nearest": 1}
    first = http.post("/v1/points", json=asked)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    here = solve_locally(PointsRequest.model_validate(asked), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    point = Points.model_validate(found).points[0]
    assert point.end == "m1"
    options = np.array(json.dumps({"nearest": 1}))
    body = archive(weights=W, teacher=V, options=options)
    again = http.post("/v1/points", content=body, headers=NPZ)
    assert (again.status_code, again.json()["digest"]) == (200, found["digest"])


def test_lists_leave_the_numbers_out(client: TestClient) -> None:
    asked = client.post("/v1/points", json={"weights": W.tolist(), "teacher": V.tolist()})
    assert asked.status_code in (200, 202)
    (listed,) = client.get("/v1/points").json()["items"]
    assert listed["left_out"] == ["teacher_gram", "reduced.numbers"]
    assert listed["request"]["reduced"] == {
        "points": 1, "student_width": 2, "teacher_width": 2, "columns": 4, "numbers": None,
    }  # fmt: skip


def test_a_job_does_not_say_a_long_question_again(client: TestClient) -> None:
    """Whoever asked for 10,000 networks got them back, 13 MB, whenever he looked."""
    service_of(client).holds_jobs = True
    many = W + np.random.default_rng(2).standard_normal((2000, 2, 5))
    asked = client.post("/v1/points", content=archive(weights=many, teacher=V), headers=NPZ)
    assert asked.status_code == 202
    looked = client.get(asked.headers["location"])
    for answer in (asked, looked):
        assert len(answer.content) < 2000
        assert answer.json()["left_out"] == ["reduced.numbers"]
        assert answer.json()["request"]["reduced"]["points"] == 2000
    service_of(client).release()
    whole = client.get(asked.headers["location"]).json()["request"]
    assert PointsRequest.model_validate(whole).here.array.shape == (2000, 2, 4)


def test_arrays_of_every_real_type_and_order_are_read(client: TestClient) -> None:
    known = client.post("/v1/points", content=archive(weights=W, teacher=V), headers=NPZ).json()
    for other in (np.asfortranarray(W), W.astype(">f8")):
        again = client.post("/v1/points", content=archive(weights=other, teacher=V), headers=NPZ)
        assert again.json()["id"] == known["id"]
    for kind in (np.float32, np.int64):
        some = archive(weights=(4 * W).astype(kind), teacher=V.astype(kind))
        assert client.post("/v1/points", content=some, headers=NPZ).status_code in (200, 202)


def npy(shape: tuple[int, ...], data: bytes = b"", descr: str = "<f8") -> bytes:
    """A file of NumPy's format that says this shape, whatever it holds."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(members: dict[str, bytes], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def lying_size() -> bytes:
    """A directory that promises eight bytes where half a megabyte comes out."""
    whole = zipped({"weights.npy": npy((1, 1), b"\0" * 500_000)}, compression=zipfile.ZIP_DEFLATED)
    size = struct.pack("<L", 500_000 + len(npy((1, 1))))
    assert whole.count(size) == 2
    return whole.replace(size, struct.pack("<L", 8))


HOSTILE = {
    "no archive": b"weights",
    "empty": b"",
    "cut off": archive(weights=W)[:-30],
    "damaged": archive(weights=W).replace(b"weights", b"weighxs", 1),
    "pickled": archive(weights=np.array([[1.0, None]], dtype=object)),
    "structured": archive(weights=np.zeros((1, 1), dtype=[("a", "f8")])),
    "text": archive(weights=np.array([["a"]])),
    "another name": archive(weights=W, biases=np.zeros(2)),
    "a path": zipped({"../weights.npy": npy((1, 1), b"\0" * 8)}),
    "no array": zipped({"weights.npy": b"abc"}),
    "no numbers": zipped({"weights.npy": npy((1, 1))}),
    "too many numbers": zipped({"weights.npy": npy((1, 1), b"\0" * 16)}),
    "a shape of terabytes": zipped({"weights.npy": npy((10**6, 10**6), b"\0" * 8)}),
    "a negative shape": zipped({"weights.npy": npy((-1, -8), b"\0" * 64)}),
    "a shape beyond integers": zipped({"weights.npy": npy((10**30, 0))}),
    "a long header": zipped({"weights.npy": npy((1,) * 5000, b"\0" * 8)}),
    "code in the header": zipped({"weights.npy": npy((1, 1), b"\0" * 8, "__import__('os')")}),
    "a bomb": zipped({"weights.npy": npy((1, 10**7), b"\0" * (8 * 10**7))},
                     compression=zipfile.ZIP_DEFLATED),
    "a lying directory": lying_size(),
    "many members": zipped({f"{n}.npy": b"" for n in range(2000)}),
    "twice": zipped({"weights.npy": npy((1, 1), b"\0" * 8), "weights": npy((1, 1), b"\0" * 8)}),
    "rare compression": zipped({"weights.npy": npy((1, 1), b"\0" * 8)},
                               compression=zipfile.ZIP_LZMA),
    "options no JSON": archive(weights=W, options=np.array("{")),
    "options no object": archive(weights=W, options=np.array("[1]")),
    "options in a row": archive(weights=W, options=np.array(["{}"])),
    "options as numbers": archive(weights=W, options=np.array(1.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_archive_of_plain_arrays_is_refused(client: TestClient, name: str) -> None:
    answer = client.post("/v1/points", content=HOSTILE[name], headers=NPZ)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"].startswith("The body is not read: ")
    assert service_of(client).computations == 0


@pytest.mark.parametrize(
    ("field", "arrays"),
    [
        ("weights", {"weights": W * 1j}),
        ("weights", {"weights": np.full((2, 2), np.nan)}),
        ("weights", {"weights": np.zeros((2, 2))}),
        ("teacher", {"weights": W, "teacher": np.ones((2, 5))}),
        ("teacher", {"weights": W, "teacher": np.eye(2)}),
        ("sample_size", {"weights": W, "options": np.array('{"sample_size": 0}')}),
        ("colour", {"weights": W, "options": np.array('{"colour": 1}')}),
        ("teacher", {"weights": W, "options": np.array('{"teacher": [[1.0]]}')}),
    ],
)
def test_arrays_that_make_no_sense_are_refused_by_field(
    client: TestClient, field: str, arrays: dict[str, Any]
) -> None:
    answer = client.post("/v1/points", content=archive(**arrays), headers=NPZ)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert fault["field"] == field


def test_json_that_makes_no_sense_is_refused_by_field(client: TestClient) -> None:
    for change, field in (
        ({"teacher": [[1.0, 0.0]]}, "teacher"),
        ({"weights": [[0.0, 0.0]]}, "weights"),
        ({"Q": [[1.0]], "R": [[2.0]], "weights": None}, "Q"),
        ({"batch": [[[1.0]], [["a"]]], "weights": None}, "batch[1][0][0]"),
    ):
        asked = {"weights": [[1.0, 0.0, 0.0]], **change}
        answer = client.post("/v1/points", json={n: v for n, v in asked.items() if v is not None})
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field


def test_other_kinds_take_no_archive(client: TestClient) -> None:
    assert client.post("/v1/landscapes", content=archive(W=W), headers=NPZ).status_code == 415
    coded = {**NPZ, "Content-Encoding": "gzip"}
    assert client.post("/v1/points", content=archive(weights=W), headers=coded).status_code == 415


def test_widths_beyond_the_service_are_refused(make_client: MakeClient) -> None:
    client = make_client(largest_width=4)
    answer = client.post("/v1/points", json={"weights": np.eye(5).tolist()})
    assert answer.status_code == 422
    assert "at most 4 here" in answer.text


def test_an_archive_beyond_the_limit_is_refused(make_client: MakeClient) -> None:
    client = make_client(body_limit_bytes=1024)
    noise = np.random.default_rng(1).standard_normal((2, 200))
    assert client.post("/v1/points", content=archive(weights=noise), headers=NPZ).status_code == 413


def test_the_client_is_answered(http: httpx.Client) -> None:
    with Client(str(http.base_url), cache=False) as client:
        found = client.locate(W.astype(np.float32), V.astype(np.float32), nearest=1, progress=False)
        assert found.points[0].end == "m1"
        assert found.request["single_precision"] is True
        overlaps = client.locate(Q=W @ W.T, R=W @ V.T, nearest=0, progress=False)
        assert abs(overlaps.points[0].loss - found.points[0].loss) < 1e-6
        with pytest.raises(RequestRefused, match="norm 0"):
            client.locate(np.zeros((1, 2)))


def test_the_other_client_is_answered(http: httpx.Client) -> None:
    async def ask() -> float:
        async with AsyncClient(str(http.base_url), cache=False) as client:
            found = await client.locate([W, 2 * W], V, progress=False)
            return float(found.losses[0])

    exact = PointsRequest.model_validate({"weights": W.tolist(), "teacher": V.tolist()})
    here = Points.model_validate(solve_locally(exact, workers=1).result)
    assert asyncio.run(ask()) == pytest.approx(here.points[0].loss, abs=1e-14)
