"""What is known of the packages that the service is made of."""

from __future__ import annotations

import os
import subprocess

from tests.house.repository import ROOT


def test_an_audit_that_reaches_nobody_is_no_all_clear() -> None:
    nobody = {**os.environ, "AUDIT_SERVICE": "http://127.0.0.1:1/pip/json"}
    done = subprocess.run(
        ["sh", "requirements/audit.sh"],
        cwd=ROOT, env=nobody, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nothing was checked" in done.stderr


def test_audit_and_list_are_of_what_serves() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile[makefile.index("\nsbom:") :]
    assert "requirements/serve.lock" in recipe.partition("\n\n")[0]
    assert "requirements/serve.lock" in (ROOT / "requirements" / "audit.sh").read_text()
