"""Chromium without a network, and a page whose every complaint fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from relu_landscape_api.settings import ApiSettings
from tests.house.gates import BROWSERS
from tests.page.answers import recorded, stored_example
from tests.page.stage import Stage, on_stage, theatre
from tests.serving import Running

CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

#: What this Chromium has no use for here. It takes the last such list that it is given, so that
#: Playwright's own comes first, without what concerns Edge and Windows. Of each context the popups
#: of the address bar, which nobody sees, are two more pages: over a quarter of a test's work.
WITHOUT = [
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
]

ARGUMENTS = [
    "--no-sandbox",  # root in a container has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join(WITHOUT),
    # The network is cut: only this machine's own address answers.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

#: Nothing takes this long unless the machine is busy with other work or the test fails.
PATIENCE_MILLISECONDS = 30_000.0

#: Collected in the page itself, because not every policy violation reaches the console.
WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Watched:
    """A page with what it complained about; ``expected`` are fragments of allowed complaints."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def open(self, search: str = "") -> Page:
        """Open the explorer at a query string and wait for its first picture or notice."""
        self.page.goto(self.url + search)
        self.page.wait_for_selector(
            "#headline h1:visible, .families-form:visible, .learning form:visible"
        )
        return self.page

    def verify(self) -> None:
        violations: list[str] = self.page.evaluate("window.violations")
        assert violations == []
        unexpected = [
            text for text in self.complaints if not any(part in text for part in self.expected)
        ]
        assert unexpected == []


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for this folder. Its scope is the package's, not the session's: while it is
    open, its event loop counts as running, and asynchronous tests elsewhere could not start."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def example() -> dict[str, Any]:
    """The stored example, as the page shows it."""
    return stored_example()


@pytest.fixture
def wide() -> dict[str, Any]:
    """More students than teachers, with saddles and certificates."""
    return recorded("wide")


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings of the service that a test wants otherwise."""
    return {}


@pytest.fixture(scope="package")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An application for all tests that want no other settings: to make and to end one takes as
    long as most of them."""
    with theatre(ApiSettings(data_dir=tmp_path_factory.mktemp("page"))) as running:
        yield running


@pytest.fixture
def application(
    request: pytest.FixtureRequest, changes: dict[str, Any], tmp_path: Path
) -> Iterator[Running]:
    """The common application, or one with the settings that a test wants."""
    if not changes:
        yield request.getfixturevalue("common")
        return
    with theatre(ApiSettings(data_dir=tmp_path, **changes)) as running:
        yield running


@pytest.fixture
def stage(application: Running, example: dict[str, Any], wide: dict[str, Any]) -> Iterator[Stage]:
    with on_stage(application) as service:
        service.know(example)
        service.know(wide)
        service.continuations = recorded("continuations")
        service.rates = recorded("rates")
        yield service


@pytest.fixture
def url(stage: Stage) -> str:
    """Address of the page."""
    return f"{stage.running.url}/"


@pytest.fixture
def viewport() -> dict[str, int]:
    return {"width": 1440, "height": 1000}


@pytest.fixture
def theme() -> str:
    return "light"


@pytest.fixture
def context(browser: Browser, viewport: dict[str, int], theme: str) -> Iterator[BrowserContext]:
    fresh = browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        color_scheme=theme,  # type: ignore[arg-type]
        permissions=["clipboard-read", "clipboard-write"],
    )
    fresh.add_init_script(WATCH_POLICY)
    fresh.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    yield fresh
    fresh.close()


def watch(context: BrowserContext, url: str) -> Watched:
    """A new page whose console, errors and foreign requests are collected."""
    page = context.new_page()
    watched = Watched(page, url)
    page.on(
        "console",
        lambda message: (
            watched.complaints.append(f"{message.type}: {message.text}")
            if message.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: watched.complaints.append(f"exception: {error}"))
    page.on(
        "request",
        lambda request: (
            watched.complaints.append(f"foreign request: {request.url}")
            if not request.url.startswith((url, "data:", "blob:"))
            else None
        ),
    )
    return watched


@pytest.fixture
def watched(url: str, context: BrowserContext) -> Iterator[Watched]:
    """A page at that address, which is gone before the service behind it is."""
    page = watch(context, url)
    yield page
    page.verify()
