"""What a service lets in: judged by what it is expected to take, before it is queued."""

from __future__ import annotations

from relu_landscape.analyses import composition
from relu_landscape.engine.tasks import Expected
from relu_landscape.errors import TooCostly
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import AnalysisRequest

#: What would make a landscape smaller, in the order of what it usually saves.
INSTEAD = "Ask for fewer starts or smaller widths, or leave saddles, widen and certify out."


def admit(name: str, request: AnalysisRequest, settings: Settings) -> bool:
    """Judge a request by the composition of this dotted name; computes nothing heavy.

    Returns whether it is small, so that it has places of its own. Raises ``InputError`` for what
    only the engine can refuse, ``TooCostly`` for what is expected to take more than the settings
    allow. A kind without a model of its cost is let in, and is not small.
    """
    chosen = composition(name)
    problem = chosen.problem(request)
    if chosen.expected is None:
        return False
    expected = chosen.expected(problem)
    judge(expected, settings)
    return sum(expected.seconds.values()) <= settings.small_job_seconds


def judge(expected: Expected, settings: Settings) -> None:
    """Raise ``TooCostly`` with the numbers where one is above its limit."""
    seconds = sum(expected.seconds.values())
    for amount, largest, unit in (
        (seconds, settings.largest_core_seconds, "processor seconds"),
        (expected.stored_bytes, settings.largest_stored_bytes, "bytes of the store"),
    ):
        if largest is not None and amount > largest:
            raise TooCostly(
                f"This is expected to take {_rounded(amount)} {unit}; here it may take "
                f"{_rounded(largest)}. {INSTEAD} GET /v1/estimate says what a landscape takes."
            )


def _rounded(amount: float) -> str:
    """Three digits and no exponent below a million millions: 1,230,000."""
    return f"{float(f'{amount:.3g}'):,.6g}" if amount < 1e6 else f"{float(f'{amount:.3g}'):,.0f}"
