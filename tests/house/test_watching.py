"""The dashboard and the alert rules: made of figures that the service really gives."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, get_args

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from relu_landscape.wire.jobs import State
from relu_landscape_api.metrics import COUNTERS, GAUGES, Metrics
from tests.house.repository import ROOT
from tools import make_dashboard

RULES = ROOT / "docs" / "deploy" / "alerts.yml"
_NAME = re.compile(r"\brelu_landscape_[a-z_]+\b")


class Talkative:
    """A service that gives every figure there is."""

    async def figures(self) -> dict[str, float]:
        return dict.fromkeys([*get_args(State), *GAUGES, *COUNTERS], 1.0)


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Every name that a scrape may show."""
    metrics = Metrics()
    metrics.requests.labels("GET", "/livez", "200").inc()
    metrics.latency.labels("GET", "/livez").observe(0.1)
    text = asyncio.run(metrics.exposition(Talkative())).decode()  # type: ignore[arg-type]
    return {
        sample.name for family in text_string_to_metric_families(text) for sample in family.samples
    }


def expressions() -> list[str]:
    rules = yaml.safe_load(RULES.read_text())["groups"]
    found = [rule["expr"] for group in rules for rule in group["rules"]]
    for each in make_dashboard.dashboard()["panels"]:
        found += [target["expr"] for target in each["targets"]]
    return found


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_figures_that_there_are(expression: str, known: set[str]) -> None:
    names = set(_NAME.findall(expression))
    assert names <= known
    assert names or expression == 'up{job="relu-landscape"} == 0'
    assert expression.count("(") == expression.count(")")


def test_every_figure_of_the_service_is_on_the_dashboard() -> None:
    shown = " ".join(expressions())
    wanted = {f"relu_landscape_{name}" for name in GAUGES}
    wanted |= {f"relu_landscape_{name}_total" for name in COUNTERS}
    assert wanted <= set(_NAME.findall(shown))


def test_the_dashboard_is_what_its_tool_writes() -> None:
    assert json.loads(make_dashboard.TARGET.read_text()) == make_dashboard.dashboard()


def test_panels_do_not_overlap_and_have_units() -> None:
    panels: list[dict[str, Any]] = make_dashboard.dashboard()["panels"]
    corners = {(each["gridPos"]["x"], each["gridPos"]["y"]) for each in panels}
    assert len(corners) == len(panels) == len({each["id"] for each in panels})
    assert all(each["fieldConfig"]["defaults"]["unit"] for each in panels)
