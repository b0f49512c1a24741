"""Scripts out of the pages, into files: the service's pages run none that stands in a page."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

_INLINE = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application)[^>]*>(.*?)</script>", re.S)


def finish(site: Path) -> None:
    """Move every script of every page into a file that it is loaded from, at the same place."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        changed = _INLINE.sub(lambda found: _moved(found[1], page, site), text)  # noqa: B023
        page.write_text(changed, encoding="utf-8")


def _moved(script: str, page: Path, site: Path) -> str:
    if not script.strip():
        return ""
    name = hashlib.sha256(script.encode()).hexdigest()[:16]
    file = site / "_static" / f"page-{name}.js"
    file.parent.mkdir(exist_ok=True)
    file.write_text(script, encoding="utf-8")
    return f'<script src="{os.path.relpath(file, page.parent)}"></script>'
