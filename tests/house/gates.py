"""Which tests this machine and this run leave out, and the sentence that says why.

Two kinds of reason are kept apart, since continuous integration accepts only the first: a suite
that nobody asked for (``NOT_ASKED``) or hardware that it lacks (``NO_GPU``), and a program that
could be installed.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Collection, Mapping

NOT_ASKED = "not asked for: "
NO_GPU = "no GPU: "

#: What drives the page, the first that is found. Debian's shell is Chromium without windows, which
#: draws the same page with less work. Debian, Alpine and Fedora call the whole of it chromium,
#: Ubuntu chromium-browser, Google google-chrome.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def reason_to_skip(
    markers: Collection[str],
    environment: Mapping[str, str],
    *,
    which: Callable[[str], object] = shutil.which,
    has_gpu: Callable[[], bool] | None = None,
) -> str | None:
    """Why a test with these markers cannot or should not run here; None where it should."""
    long = environment.get("RELU_LANDSCAPE_LONG") == "1"
    acceptance = long or environment.get("RELU_LANDSCAPE_ACCEPTANCE") == "1"
    if "slow" in markers and not long:
        return NOT_ASKED + "a long suite; RELU_LANDSCAPE_LONG=1 runs it"
    if "acceptance" in markers and not acceptance:
        return NOT_ASKED + "published tables, minutes; RELU_LANDSCAPE_ACCEPTANCE=1 runs them"
    if "netns" in markers and environment.get("RELU_LANDSCAPE_NETNS") != "1":
        return NOT_ASKED + "network namespaces; RELU_LANDSCAPE_NETNS=1 runs it, as root"
    if "netns" in markers and not which("ip"):
        return "ip is not on the PATH: apt-get install iproute2"
    if "gpu" in markers and not (has_gpu or find_gpu)():
        return NO_GPU + "needs CuPy and a device"
    if "page" in markers and not any(which(browser) for browser in BROWSERS):
        return "Chromium is not on the PATH: apt-get install chromium"
    if "external_redis" in markers and not which("redis-server"):
        return "redis-server is not on the PATH: apt-get install redis-server"
    return None


def find_gpu() -> bool:
    """Whether CuPy is installed and counts at least one device."""
    if importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError:  # CuPy without a driver
        return False
