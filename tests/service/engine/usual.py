"""What computes in tests that do not say: the native kernel, as in a service that has one.

``RELU_LANDSCAPE_TEST_KERNEL=numpy`` has arrays compute instead, and the published tables with them.
"""

from __future__ import annotations

import os
from typing import Literal, cast

from relu_landscape.engine.lanes.native import Kernel
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.jobs.pool.device import choose_backend

#: The setting of the kernel that tests compute with.
CHOICE = cast(
    "Literal['auto', 'native', 'numpy']", os.environ.get("RELU_LANDSCAPE_TEST_KERNEL", "auto")
)
USUAL = backend_named(choose_backend("numpy", CHOICE).computes)


def here() -> Kernel | None:
    """The native kernel, or None where nothing was compiled, or arrays are to compute."""
    kernel = USUAL.kernel
    assert kernel is None or isinstance(kernel, Kernel)
    return kernel
