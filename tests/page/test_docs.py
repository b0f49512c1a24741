"""Swagger UI from the service's own files, under the same policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Watched

pytestmark = pytest.mark.page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_interface_is_shown_and_can_be_opened(watched: Watched) -> None:
    page = watched.page
    page.goto(watched.url + "docs")
    entry = page.locator(".opblock", has_text="/livez")
    expect(entry).to_be_visible()
    entry.locator("button").first.click()
    expect(entry).to_contain_text("Try it out")
