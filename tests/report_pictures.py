"""Takes the pictures that docs/report.md shows: `python -m tests.report_pictures --journals DIR`.

They show a real run of the demo, wide in light and dark, and on a phone. The folder holds its
journal, as `grokwatch demo --directory DIR` leaves it.
"""

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from grokwatch.monitor import journal
from grokwatch.monitor.report.run import write
from tests.page_browser import browsing, watched

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
COLORS = 256
SHAPES = {
    "": ({"width": 1440, "height": 2080}, "light"),
    "-dark": ({"width": 1440, "height": 2080}, "dark"),
    "-phone": ({"width": 390, "height": 2000}, "light"),
}
DRAWN = "[...document.querySelectorAll('#weights .plot')].every((each) => each.dataset.look)"


def keep(picture: bytes, path: Path) -> None:
    """Write a picture with few colors."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def take(browser: Browser, address: str, name: str) -> None:
    """The top of the page where the warning came, and the weights at the end."""
    size, scheme = SHAPES[name]
    with watched(browser, address, viewport=size, color_scheme=scheme) as seen:
        seen.page.goto(address)
        seen.until("document.body.dataset.drawn === 'all'")
        keep(seen.page.screenshot(), FOLDER / f"report-run{name}.png")
        seen.page.evaluate("document.getElementById('scrub').style.position = 'static'")
        seen.page.set_viewport_size({"width": size["width"], "height": 3_600})
        seen.page.evaluate("grokwatch.cursor.set(Infinity)")
        seen.page.locator("#weights").scroll_into_view_if_needed()
        last = seen.page.evaluate("grokwatch.data.weights.steps.at(-1)")
        seen.until(f"document.getElementById('weights-logits').dataset.look === '{last}'")
        seen.until(DRAWN)
        keep(seen.page.locator("#weights").screenshot(), FOLDER / f"report-weights{name}.png")
        if seen.complaints or seen.violations():
            raise SystemExit(f"Expected no complaint, got {seen.complaints}. Try the page by hand.")


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journals", type=Path, required=True)
    (run,) = (parser.parse_args().journals / journal.RUNS).iterdir()
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        address = write(list(journal.read(run)), Path(folder) / "report.html").as_uri()
        for name in SHAPES:
            take(browser, address, name)


if __name__ == "__main__":
    main()
