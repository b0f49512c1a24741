"""Learning rates of a landscape in the client and on paper, in the server's own words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape_cli.rated import point_rates_tables, rates_tables
from relu_landscape_client import Landscape
from tests.clients.samples import document
from tests.service.engine.landscape.solving import body, solve


@pytest.fixture(name="told", scope="module")
def _told() -> dict[str, Any]:
    asked = {"student_width": 2, "teacher_width": 3, "starts": 0, "learning_rates": [0.1, 2.0]}
    found = body(solve(LandscapeRequest.model_validate(asked)))
    return document(fixed_points=found.fixed_points, learning_rates=found.learning_rates)


def test_a_minimum_at_learning_rates(told: dict[str, Any]) -> None:
    landscape = Landscape.from_document(told)
    point = landscape.fixed_points["m1"]
    rates = point.learning_rates
    assert rates is not None
    assert rates.rates.tolist() == [0.1, 2.0]
    assert rates.critical_rate is not None
    assert 0.1 < rates.critical_rate < 2.0
    assert point.loss < rates.first_order[0] < rates.fixed_point[0]
    assert math.isnan(rates.fixed_point[1])
    assert math.isnan(rates.second_order[1])
    assert rates.eigenvalues[0] < 0.0 < rates.eigenvalues[1]
    assert rates.plane is not None
    assert rates.deviations[0] == pytest.approx(math.sqrt(rates.plane["variance"] * 1e-4))
    table = landscape.to_dataframe()
    assert table.loc["m1", "rate_slope"] == rates.slope
    assert table.loc["m1", "critical_rate"] == rates.critical_rate


def test_the_diagram(told: dict[str, Any]) -> None:
    landscape = Landscape.from_document(told)
    diagram = landscape.learning_rate_diagram()
    assert diagram.learning_rates == (0.1, 2.0)
    assert diagram.surviving_at(0.1) == ("m1",)
    assert diagram.surviving_at(2.0) == ()
    with pytest.raises(KeyError, match=r"0\.3"):
        diagram.surviving_at(0.3)
    rates = landscape.fixed_points["m1"].learning_rates
    assert rates is not None
    np.testing.assert_array_equal(diagram.losses, [[rates.fixed_point[0], math.nan]])
    table = diagram.to_dataframe()
    assert table.loc["m1", "survives_to"] == 0.1
    assert table[0.1].loc["m1"] == rates.fixed_point[0]


def test_as_tables(told: dict[str, Any]) -> None:
    landscape = Landscape.from_document(told)
    (printed,) = rates_tables(landscape)
    assert [column.heading for column in printed.columns] == [
        "key", "slope", "stable below", "survives to", "loss at 0.1", "loss at 2",
    ]  # fmt: skip
    assert [column.cells[0] for column in printed.columns][-1] == "unstable"
    assert printed.columns[3].cells == ["0.1"]
    (rows,) = point_rates_tables(landscape.fixed_points["m1"])
    assert rows.columns[0].cells == ["0.1", "2"]
    assert rows.columns[3].cells[1] == "–"


def test_without_learning_rates() -> None:
    landscape = Landscape.from_document(document())
    assert landscape.fixed_points[0].learning_rates is None
    assert landscape.to_dataframe()["critical_rate"].isna().all()
    assert rates_tables(landscape) == point_rates_tables(landscape.fixed_points[0]) == []
    with pytest.raises(ValueError, match="without learning rates"):
        landscape.learning_rate_diagram()
