"""The local Space's page in Chromium, behind its guard."""

from __future__ import annotations

import pytest
from browser import chromium, missing

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {', '.join(missing())}"),
    pytest.mark.timeout(300),
]


def test_the_page_answers_and_asks_for_nothing_that_is_refused(space, tmp_path):
    with chromium(tmp_path) as page:
        page.get(space.url)
        page.until(lambda: "answers here" in page.text)
        box = 'textarea[data-testid="textbox"]'
        page.until(lambda: page.all(box)[-1].is_enabled())
        page.all(box)[-1].send_keys("What is the capital of France?\n")
        page.until(lambda: "capital of France is Paris" in page.text)
        refused = [line for line in page.complaints() if "with a status of 4" in line]
    assert not refused
