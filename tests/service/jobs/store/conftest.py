"""What several tests of the store need."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.settings import Settings
from tests.service.jobs.store.contents import KEPT, Contents


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def mortal(settings: Settings, make_claims: Callable[[Settings], ClaimingStore]) -> ClaimingStore:
    """Results are kept for ``KEPT`` seconds."""
    return make_claims(settings.model_copy(update={"result_ttl_seconds": KEPT}))
