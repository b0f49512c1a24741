"""A landscape on a machine with a GPU (a played one), from the command to the workers and back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.service.engine.cuda.played import with_a_gpu


def solved(environment: dict[str, str], precision: str, backend: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", "from relu_landscape_cli.main import main; main()", "solve", "4",
         "4", "--starts", "150", "--precision", precision, "--workers", "2", "--json",
         "--backend", backend],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_it_is_the_processors_to_the_last_bit(tmp_path: Path, precision: str) -> None:
    environment = with_a_gpu(tmp_path, tmp_path)
    gpu, cpu = (solved(environment, precision, each) for each in ("cupy", "numpy"))
    assert (gpu["provenance"]["backend"], cpu["provenance"]["backend"]) == ("cupy", "numpy")
    assert gpu["digest"] == cpu["digest"]
    assert gpu["fixed_points"] == cpu["fixed_points"]
    # Programs of the trial at start and of this shape, in double and in single precision.
    wanted = 4 if precision == "float32" else 3
    assert len(list(tmp_path.glob("relu-landscape-*.cubin"))) == wanted
