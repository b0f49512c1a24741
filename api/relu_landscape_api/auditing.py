"""Who did what: a line of the log ``relu_landscape.audit``, and an entry in the store."""

from __future__ import annotations

import logging
from dataclasses import asdict

from starlette.requests import Request

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.identity import Deed
from relu_landscape.jobs.interface import Service
from relu_landscape.wire.identity import Action
from relu_landscape_api.layers.rates import address_of

_audit = logging.getLogger("relu_landscape.audit")


async def remember(
    request: Request, service: Service, action: Action, job: str, kind: str | None
) -> None:
    """Say and keep that whoever asks did this to a job. What was done stays done if that fails."""
    deed = Deed(
        who=request.state.asker,
        action=action,
        what=job,
        kind=kind,
        address=address_of(request.scope),
        request_id=request.state.request_id,
    )
    _audit.info("%s %s %s", deed.who, action, job, extra=asdict(deed))
    try:
        await service.trail.add(deed)
    except StoreUnavailable as error:
        _audit.warning("not kept in the store: %s", error, extra=asdict(deed))
