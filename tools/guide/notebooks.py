"""A notebook as a page: its words, its code, and what it said when it was executed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def page_of(notebook: Path, pictures: Path) -> str:
    """The notebook in Markdown; its pictures are written into the folder ``pictures``."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts: list[str] = []
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            outputs = enumerate(cell["outputs"])
            parts += [
                _shown(each, pictures, f"{notebook.stem}-{number}-{n}") for n, each in outputs
            ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(output: dict[str, Any], pictures: Path, name: str) -> str:
    """One answer of a cell: a picture, else text."""
    data = output.get("data", {})
    if "image/png" in data:
        (pictures / f"{name}.png").write_bytes(base64.b64decode("".join(data["image/png"])))
        return f"![]({name}.png)"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```" if text else ""
