"""One fixed point in full, as JSON and as a NumPy archive."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from relu_landscape.wire.landscape import FixedPointInFull
from relu_landscape.wire.rows import Rows
from relu_landscape_api.answering import parquet
from relu_landscape_api.answering.npz import to_npz
from relu_landscape_api.answering.rows import Row
from relu_landscape_api.reading.negotiation import NPZ_TYPE, PARQUET_TYPE
from tests.api.conftest import service_of


@pytest.fixture
def path(client: TestClient) -> str:
    content_id = client.get("/v1/landscape?K=2&width=3").json()["id"]
    return f"/v1/landscapes/{content_id}/fixed-points/m1"


def test_table(client: TestClient, path: str) -> None:
    table = path.removesuffix("/m1")
    answer = client.get(table)
    assert answer.status_code == 200
    assert answer.headers["vary"] == "Accept"
    [row] = answer.json()["items"]
    assert (row["key"], row["stability.index"]) == ("m1", 0)
    assert row["loss"] == client.get(path).json()["loss"]
    Rows.model_validate(answer.json())
    chosen = client.get(table, params={"where": "key=m1", "fields": "key,kind", "sort": "-loss"})
    assert chosen.json()["items"] == [{"key": "m1", "kind": row["kind"]}]
    assert client.get(table, params={"where": "key=m2"}).json() == {"items": []}


def test_table_as_csv(client: TestClient, path: str) -> None:
    table = path.removesuffix("/m1")
    answer = client.get(f"{table}?fields=key,loss", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert ".csv" in answer.headers["content-disposition"]
    assert answer.text.splitlines()[0] == "key,loss"
    assert client.get(table, headers={"Accept": "text/html"}).status_code == 406


def test_table_as_parquet(client: TestClient, path: str) -> None:
    table = path.removesuffix("/m1")
    rows = client.get(table).json()["items"]
    answer = client.get(table, headers={"Accept": PARQUET_TYPE})
    assert answer.headers["content-type"] == PARQUET_TYPE
    assert ".parquet" in answer.headers["content-disposition"]
    assert answer.headers["etag"] != client.get(table).headers["etag"]
    assert pq.read_table(io.BytesIO(answer.content)).to_pylist() == rows
    few = client.get(f"{table}?fields=loss,key", headers={"Accept": PARQUET_TYPE})
    assert pq.read_table(io.BytesIO(few.content)).column_names == ["loss", "key"]


def test_without_pyarrow_there_is_no_parquet(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "is_installed", lambda: False)
    table = path.removesuffix("/m1")
    answer = client.get(table, headers={"Accept": PARQUET_TYPE})
    assert answer.status_code == 406
    assert "pip install 'relu-landscape[parquet]'" in answer.json()["detail"]
    both = client.get(table, headers={"Accept": f"{PARQUET_TYPE}, text/csv;q=0.1"})
    assert both.headers["content-type"].startswith("text/csv")


def test_columns_of_parquet_have_one_type_each() -> None:
    rows: list[Row] = [
        {"n": 2**53 + 1, "x": 0.1, "mixed": 1, "far": 2**70, "is": True, "none": None, "t": "a"},
        {"n": None, "x": None, "mixed": 0.5, "far": 3, "is": None, "none": None, "t": None},
    ]
    found = pq.read_table(io.BytesIO(parquet.to_parquet(rows)))
    assert [str(each.type) for each in found.schema] == [
        "int64", "double", "double", "string", "bool", "null", "string",
    ]  # fmt: skip
    assert found.to_pylist() == [{**rows[0], "far": str(2**70)}, {**rows[1], "far": "3"}]
    assert pq.read_table(io.BytesIO(parquet.to_parquet([]))).num_rows == 0


def test_a_column_that_is_none_is_named(client: TestClient, path: str) -> None:
    answer = client.get(path.removesuffix("/m1"), params={"sort": "colour"})
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert (fault["field"], fault["value"]) == ("sort", "colour")
    assert "stability.index" in fault["message"]


def test_json(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["vary"] == "Accept"
    assert answer.json()["weights"] == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    assert answer.json()["eigenvalues_span"] == [0.125, 0.125]
    FixedPointInFull.model_validate(answer.json())


def test_npz(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Accept": NPZ_TYPE})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == NPZ_TYPE
    assert ".npz" in answer.headers["content-disposition"]
    archive = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert {"weights", "R", "Q", "eigenvalues_span", "norms", "document"} <= set(archive.files)
    assert archive["weights"].shape == archive["R"].shape == (3, 2)
    assert archive["Q"].shape == (3, 3)
    assert archive["weights"].dtype == np.float64
    assert json.loads(str(archive["document"])) == client.get(path).json()


def test_other_types_are_refused(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 406
    assert NPZ_TYPE in answer.json()["detail"]


def test_what_is_not_there(client: TestClient, path: str) -> None:
    for key in ("m7", "%00", "%ff", "x" * 3000):
        assert client.get(f"{path[:-2]}{key}").status_code == 404


def test_a_failed_landscape_has_no_points(client: TestClient) -> None:
    service_of(client).failure = "The integrator gave up."
    asked = {"K": 4, "width": 4}
    headers = {"Prefer": "wait=10"}
    content_id = client.post("/v1/landscapes", json=asked, headers=headers).json()["detail"].split()
    answer = client.get(f"/v1/landscapes/{content_id[2]}/fixed-points/m1")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "The integrator gave up."


def test_archives_of_equal_documents_are_equal_bytes() -> None:
    document = {"a": [1.5, 2.0], "nested": {"b": [[1], [2]], "ragged": [[1], [2, 3]]}, "c": "text"}
    archive = np.load(io.BytesIO(to_npz(document)), allow_pickle=False)
    assert set(archive.files) == {"a", "b", "document"}
    assert to_npz(document) == to_npz(json.loads(json.dumps(document)))


def test_arrays_of_one_name_keep_apart() -> None:
    document = {"R": [1.0], "other": {"R": [2.0], "document": [3.0]}, "empty": [], "flags": [True]}
    archive = np.load(io.BytesIO(to_npz(document)), allow_pickle=False)
    assert archive["R"] == [1.0]
    assert archive["other_R"] == [2.0]
    assert archive["other_document"] == [3.0]
    assert json.loads(str(archive["document"])) == document
    assert "flags" not in archive.files
