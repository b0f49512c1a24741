"""Frequencies as the server describes them, read by the client."""

from __future__ import annotations

import json
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.frequencies import FrequenciesRequest
from relu_landscape_client import Frequencies, ProtocolError
from tests.clients.served import Served

mpl.use("Agg")


@pytest.fixture(scope="module")
def found() -> Frequencies:
    """Two minima and an outcome that is none, at two learning rates."""
    request = FrequenciesRequest(
        student_width=3, teacher_width=5, learning_rates=(0.3, 3.0), starts=16, seed=6,
        input_dimension=20, until=10.0, checks=3, structured=False,
    )  # fmt: skip
    return Frequencies.from_document(solve_locally(request, workers=1).result)


def test_the_matrix_and_the_shares_are_those_of_the_starts(found: Frequencies) -> None:
    for rate in found.rates:
        assert rate.matrix.sum() == 16
        assert rate.matrix.sum(axis=1).tolist() == [one.by_flow.hits for one in rate.reached]
        assert rate.matrix.sum(axis=0).tolist() == [one.by_sgd.hits for one in rate.reached]
        shares = np.array([rate.shares(end) for end in rate.ends])
        assert shares.shape == (len(rate.ends), len(rate.times))
        assert shares[:, -1].tolist() == [one.by_sgd.probability for one in rate.reached]
    assert "ran away" in repr(found.rates[1])
    assert all(math.isnan(one.loss) for one in found.rates[1].starts if one.ran_away_at > 0)
    assert math.isnan(found.critical_learning_rate)
    assert "16 starts, 2 learning rates" in repr(found)


def test_the_table_has_a_row_per_learning_rate_and_end(found: Frequencies) -> None:
    table = found.to_dataframe()
    assert len(table) == sum(len(rate.reached) for rate in found.rates)
    for _, rows in table.groupby("learning_rate"):
        assert rows["sgd_hits"].sum() == rows["flow_hits"].sum() == 16
    first = table.iloc[0]
    assert first["flow_low"] <= first["flow_probability"] <= first["flow_high"]
    assert first["difference_low"] <= first["difference"] <= first["difference_high"]


def test_the_plot_has_a_line_for_every_end_that_is_reached(found: Frequencies) -> None:
    reached = {
        one.end.partition(":")[0]
        for rate in found.rates
        for one in rate.reached
        if one.by_flow.hits or one.by_sgd.hits
    }
    legend = found.plot().get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == reached


def test_it_goes_to_a_file_and_back(found: Frequencies, tmp_path: Path) -> None:
    target = tmp_path / "f.json"
    found.to_json(target)
    assert Frequencies.from_document(json.loads(target.read_text())) == found
    with pytest.raises(ProtocolError):
        Frequencies.from_document({**found.document, "rates": [{}]})


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_both_clients_ask_for_it(server: Served, kind: str) -> None:
    server.finish_at_once()
    answer = server.call(kind, "frequencies", 3, 2, learning_rates=[0.1, 0.2], starts=5, leak=0.5)
    assert isinstance(answer, Frequencies)
    assert [rate.learning_rate for rate in answer.rates] == [0.1, 0.2]
    assert answer.request["starts"] == 5
    assert answer.request["leak"] == 0.5
