"""One page that needs nothing but itself: template, styles, scripts and data in one text.

The page forbids itself every request and every script but its own, which it names by their hashes.
What comes from a run is data: it is escaped in the markup, and scripts read it as JSON.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import msgspec
from markupsafe import Markup

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.report import words

PLOTLY = "plotly-cartesian.min.js"

_FOLDER = Path(__file__).parent
_STYLES = (
    "colors.css",
    "base.css",
    "tables.css",
    "parts.css",
    "run.css",
    "report.css",
    "weights.css",
)
_CORE = (PLOTLY, "core.js")
_FILTERS = ("code_sentence", "instant", "number", "percent", "stage_word", "thousands")
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def render(template: str, *, title: str, data: object, scripts: Sequence[str] = ()) -> str:
    """Draw a page.

    Args:
        template: its file, which extends `base.html`; it is shown the data as `report`.
        title: of the page.
        data: what the page shows; scripts read it as `grokwatch.data`, not finite numbers as null.
        scripts: files of `static`, run in this order after `core.js`.

    Returns:
        The page.

    Example:
        >>> render("base.html", title="<i>", data={"name": "<script>"}).count("<script>")
        2
    """
    sources = [_source(name) for name in (*_CORE, *scripts)]
    return (
        _environment()
        .get_template(template)
        .render(
            title=title,
            report=data,
            policy=_policy(sources),
            styles=[Markup(_source(name)) for name in _STYLES],
            scripts=[Markup(source) for source in sources],
            data=Markup(encode(data)),
        )
    )


def save(page: str, path: Path) -> Path:
    """Write a page to a file.

    Args:
        page: as `render` made it.
        path: of the file; it is replaced.

    Returns:
        The path.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        msg = (
            f"Expected a file for the report that can be written, got {str(path)!r} "
            f"({error.strerror}). Try --out with another path."
        )
        raise ConfigurationError(msg) from error
    return path


def encode(data: object) -> str:
    r"""Write data as JSON that ends no script and starts none.

    Args:
        data: structs and plain data; numbers that are not finite become null.

    Returns:
        The text; `<`, `>`, `&` and the line ends of Unicode are escaped.

    Example:
        >>> print(encode({"name": "</script>", "loss": float("inf")}))
        {"name":"\u003c/script\u003e","loss":null}
    """
    return msgspec.json.encode(data).decode().translate(_UNSAFE)


def _policy(sources: Sequence[str]) -> str:
    """What the browser may do: run these scripts, and set styles, as Plotly does."""
    digests = [hashlib.sha256(source.encode()).digest() for source in sources]
    hashes = " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _source(name: str) -> str:
    """A static file; its line ends are what browsers make of them, for the sake of its hash."""
    text = (_FOLDER / "static" / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters())
    return environment


def _filters() -> Mapping[str, object]:
    return {name: getattr(words, name) for name in _FILTERS}
