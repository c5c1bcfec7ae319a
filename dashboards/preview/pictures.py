"""Looks at dashboards with a real browser, and keeps what it sees."""

import io
import itertools
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from dashboards.preview.rehearsal import Moment
from dashboards.preview.servers import SCRAPE_SECONDS

WIDTHS = {"": 1440, "-phone": 390}
"""What a picture's name ends in -> the width of the window."""

THEMES = {"": "light", "-dark": "dark"}

_COLORS = 256
_HEIGHT = 900
_PATIENCE_MILLISECONDS = 60_000
_SETTLED_MILLISECONDS = 700
"""Drawings follow their data within a few frames, and the browser does not say when."""


@dataclass(frozen=True, kw_only=True)
class View:
    """One picture to take.

    Attributes:
        dashboard: its name.
        theme: light or dark.
        width: of the window, in pixels.
        file: where the picture goes.
    """

    dashboard: str
    theme: str
    width: int
    file: Path


class Heard(msgspec.Struct, frozen=True):
    """What a page said of its panels: titles of those without data, and what failed."""

    empty: list[str]
    failed: list[str]


def views(dashboards: Iterable[str], folder: Path, *, with_phone: bool) -> list[View]:
    """List the pictures of dashboards.

    Args:
        dashboards: their names.
        folder: where pictures go.
        with_phone: whether to look with a phone's width too.

    Returns:
        A view for each dashboard, width and theme.

    Example:
        >>> [view.file.name for view in views(["run"], Path(), with_phone=False)]
        ['run.png', 'run-dark.png']
    """
    widths = WIDTHS if with_phone else {"": WIDTHS[""]}
    return [
        View(dashboard=name, theme=theme, width=width, file=folder / f"{name}{size}{mode}.png")
        for name, (size, width), (mode, theme) in itertools.product(
            dashboards, widths.items(), THEMES.items()
        )
    ]


def take(home: str, wanted: Iterable[View], moment: Moment, chosen: Mapping[str, str]) -> list[str]:
    """Take pictures.

    Args:
        home: address of the page.
        wanted: what to take.
        moment: the time that dashboards show.
        chosen: a variable -> its value.

    Returns:
        A line for each picture that has panels without data, or that failed.
    """
    said = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for view in wanted:
            heard = _take(browser, home, view, moment, chosen)
            said += [f"{view.file.name}: no data in {title!r}" for title in heard.empty]
            said += [f"{view.file.name}: {failure}" for failure in heard.failed]
        browser.close()
    return said


def _take(
    browser: Browser, home: str, view: View, moment: Moment, chosen: Mapping[str, str]
) -> Heard:
    asked = {
        "dashboard": view.dashboard,
        "theme": view.theme,
        "start": moment.start,
        "end": moment.end,
        "scrape": SCRAPE_SECONDS,
        **{f"var-{name}": value for name, value in chosen.items()},
    }
    context = browser.new_context(viewport={"width": view.width, "height": _HEIGHT})
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{home}/?{urlencode(asked)}")
    page.wait_for_function("window.preview", timeout=_PATIENCE_MILLISECONDS)
    heard = msgspec.convert(page.evaluate("window.preview"), Heard)
    # A table draws only what is in the window, so the window has to hold the whole page.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": view.width, "height": height})
    page.wait_for_timeout(_SETTLED_MILLISECONDS)
    _save(page.screenshot(), view.file)
    context.close()
    return Heard(empty=heard.empty, failed=[*heard.failed, *broken])


def _save(picture: bytes, file: Path) -> None:
    """Write it with a palette, which is a third of the size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(picture)) as image:
        small = image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
        small.save(file, optimize=True)
