"""What the page says it knows of the service's JSON (``explorer/js/contract.js``), as data."""

from __future__ import annotations

import json
import re
from typing import Any

from relu_landscape_api.routers.pages import EXPLORER


def _contract() -> dict[str, Any]:
    source = (EXPLORER / "js" / "contract.js").read_text()
    found = re.search(r"^export const CONTRACT = (\{.*?^\});$", source, re.MULTILINE | re.DOTALL)
    assert found is not None, "contract.js has no CONTRACT"
    contract: dict[str, Any] = json.loads(found[1])
    return contract


CONTRACT = _contract()
