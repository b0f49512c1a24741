"""What the views of learning know of the service's JSON, against the schema that it publishes."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest

from relu_landscape.analyses import ANALYSES
from relu_landscape.wire.descents import Rule
from relu_landscape.wire.sweeps import Grid
from relu_landscape.wire.trajectories import Method
from relu_landscape_api.routers.pages import EXPLORER


def _learned() -> dict[str, Any]:
    source = (EXPLORER / "js" / "learning" / "words.js").read_text()
    found = re.search(r"^export const LEARNED = (\{.*?^\});$", source, re.MULTILINE | re.DOTALL)
    assert found is not None, "words.js has no LEARNED"
    known: dict[str, Any] = json.loads(found[1])
    return known


LEARNED = _learned()


@pytest.mark.parametrize("kind", ["trajectory", "frequencies", "sweep"])
def test_every_phase_has_words(kind: str) -> None:
    assert set(ANALYSES.analysis(kind).phases) <= set(LEARNED["phases"])


def test_no_phase_is_of_nothing() -> None:
    phases = {
        phase
        for kind in ("trajectory", "frequencies", "sweep")
        for phase in ANALYSES.analysis(kind).phases
    }
    assert set(LEARNED["phases"]) == phases


def test_rules_are_those_of_the_service() -> None:
    source = (EXPLORER / "js" / "learning" / "words.js").read_text()
    found = re.search(r"^export const RULES = (\{.*?^\});$", source, re.MULTILINE | re.DOTALL)
    assert found is not None
    rules: dict[str, str] = json.loads(found[1])
    assert list(rules) == list(get_args(Rule))
    assert all(rules.values())


def test_methods_and_axes_are_those_of_the_service() -> None:
    assert list(LEARNED["methods"]) == list(get_args(Method))
    assert list(LEARNED["axes"]) == list(Grid.model_fields)
