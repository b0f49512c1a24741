"""The one entry: the product's own registry and a tally."""

from __future__ import annotations

from relu_landscape.analyses import ANALYSES, Analysis, Registry
from tests.tally.wire import Tally, TallyFinding, TallyRequest

TALLY = Analysis(
    noun="tally",
    plural="tallies",
    summary="The sum of the first numbers",
    request=TallyRequest,
    finding=TallyFinding,
    result=Tally,
    phases=("adding",),
    composition="tests.tally.engine:COMPOSITION",
)

REGISTRY = Registry(analyses=(*ANALYSES.analyses, TALLY), calls=ANALYSES.calls)
