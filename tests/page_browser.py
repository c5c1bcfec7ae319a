"""A real browser that looks at pages, and notes all that it complains of."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.service_web import TOKEN

CHROMIUM = shutil.which("chromium")
_PATIENCE = 400
_SETTINGS: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 900},
    "http_credentials": {"username": "anybody", "password": TOKEN},
}
_LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


@dataclasses.dataclass(frozen=True)
class Watched:
    """A page of the browser, and what went wrong on it."""

    page: Page
    complaints: list[str]

    def violations(self) -> list[str]:
        """What the policy forbade since the page was loaded."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def until(self, expression: str) -> None:
        """Wait until something is true of the page; its own policy forbids the browser's way."""
        for _ in range(_PATIENCE):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        msg = f"Expected {expression} to come true, it did not. Try a look at the page."
        raise AssertionError(msg)

    def charts(self) -> int:
        """Wait for the chart; how many lines it has."""
        self.page.wait_for_selector("#chart[data-drawn]")
        return int(self.page.evaluate("document.getElementById('chart').data.length"))


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@contextlib.contextmanager
def watched(browser: Browser, home: str, **settings: Any) -> Iterator[Watched]:
    """Open an empty page whose every complaint is noted; `home` is the one host it may ask."""
    context = browser.new_context(**{**_SETTINGS, **settings})
    context.set_default_timeout(20_000)
    context.add_init_script(_LISTEN)
    page = context.new_page()
    complaints: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith((home, "data:", "blob:")):
            complaints.append(f"request: {request.url}")

    page.on("dialog", dismiss)
    page.on("console", heard)
    page.on("request", asked)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    try:
        yield Watched(page, complaints)
    finally:
        context.close()
