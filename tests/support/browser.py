"""Chromium, without a window, for what is looked at in a page."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import shutil

#: Seconds after which a test gives up, so that none can hang.
PATIENCE = 100

OPTIONS = """
    --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
""".split()


def missing():
    """What is not installed of what this needs."""
    names = [name for name in ("selenium",) if not importlib.util.find_spec(name)]
    return names + [name for name in ("chromium", "chromedriver") if not shutil.which(name)]


@contextlib.contextmanager
def chromium(folder, size=(1000, 800)):
    """A page in Chromium that keeps its profile in `folder`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for option in (*OPTIONS, "--window-size={},{}".format(*size), f"--user-data-dir={folder}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """What is open in Chromium."""

    def __init__(self, driver):
        self._driver = driver
        self.get = driver.get
        self.run = driver.execute_script

    def all(self, selector, inside=None):
        """The elements that a CSS selector finds, in the page or in one of its elements."""
        return (inside or self._driver).find_elements("css selector", selector)

    @property
    def text(self):
        """All text that is seen."""
        return self.all("body")[0].text

    def complaints(self):
        """What the page's scripts and requests said that went wrong."""
        return [line["message"] for line in self._driver.get_log("browser")]

    def until(self, predicate):
        """Wait for something to become true of the page."""
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        # What was found a moment ago may have been replaced.
        passing = [WebDriverException, IndexError]
        try:
            WebDriverWait(self._driver, PATIENCE, 0.1, ignored_exceptions=passing).until(
                lambda driver: predicate()
            )
        except TimeoutException:
            wrong = "\n".join(self.complaints())
            raise AssertionError(f"The page shows: {self.text}\n{wrong}") from None

    def prefer(self, scheme):
        """Say that the person prefers `light` or `dark` pages."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def picture(self, clip):
        """A WebP of a part of the page, `(left, top, width, height)`."""
        shown = {**dict(zip(("x", "y", "width", "height"), clip)), "scale": 1}
        options = {"format": "webp", "quality": 80, "clip": shown}
        data = self._driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"]
        return base64.b64decode(data)
