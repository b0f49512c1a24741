"""A Dask scheduler elsewhere without TLS: refused, unless somebody said that it may be.

``tcp://lab:8786`` was taken in silently, and whoever reached that port could run code.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape.jobs.pool import dask, exposed
from relu_landscape.jobs.service import AnalysisService
from relu_landscape.settings import Settings
from tests.service.jobs.toy_engine import TOY

#: Of a range that is kept for documents (RFC 5737), so that no name is looked up.
ELSEWHERE = "192.0.2.1:8786"


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        (f"tcp://{ELSEWHERE}", True),
        (f"ws://{ELSEWHERE}", True),
        ("tcp://no-such-host.invalid:8786", True),
        (f"tls://{ELSEWHERE}", False),
        (f"wss://{ELSEWHERE}", False),
        ("tcp://127.0.0.1:8786", False),
        ("tcp://[::1]:8786", False),
        ("tcp://localhost:8786", False),
        (None, False),
    ],
)
def test_what_crosses_a_network_in_the_open(address: str | None, is_refused: bool) -> None:
    settings = Settings.load(dask_scheduler=address)
    assert exposed.is_exposed(settings) is is_refused
    allowed = Settings.load(dask_scheduler=address, dask_insecure=True)
    exposed.require_private(allowed)
    assert bool(exposed.warnings(allowed)) is is_refused
    if is_refused:
        with pytest.raises(ConfigurationError, match="DASK_INSECURE=true"):
            exposed.require_private(settings)


async def test_it_is_refused_before_anything_starts(folder: Path) -> None:
    settings = Settings.load(data_dir=folder, dask_scheduler=f"tcp://{ELSEWHERE}")
    with pytest.raises(ConfigurationError, match="without TLS"):
        async with AnalysisService.open(settings, registry=TOY):
            pytest.fail("it opened")
    # Nothing of this test runs in the loop any more.
    assert not os.path.lexists(folder), "no store was started"  # noqa: ASYNC240


async def test_the_consent_is_warned_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.1)  # nobody is there
    settings = Settings.load(
        data_dir=folder, dask_scheduler=f"tcp://{ELSEWHERE}", dask_insecure=True
    )
    async with AnalysisService.open(settings, registry=TOY) as service:
        warnings = (await service.readiness()).warnings
    assert [each for each in warnings if "without TLS" in each]
