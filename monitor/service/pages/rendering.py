"""Turns a template into a response: always escaped, never with a script of somebody else's.

The policy it sends is the strictest under which the page works. Pages with charts allow inline
styles, because Plotly sets them; no page allows an inline script.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from litestar import Response

from grokwatch.monitor.report import words
from grokwatch.monitor.report.verdict import is_awaited, judge
from grokwatch.monitor.service.guard.headers import CHARTS_POLICY, CONTENT_POLICY
from grokwatch.monitor.service.pages.bars import balance, bar
from grokwatch.monitor.service.pages.sparkline import sparkline

TEMPLATES = Path(__file__).parent / "templates"
_FILTERS = ("ago", "code_sentence", "instant", "number", "percent", "run_address")
_MORE_FILTERS = ("stage_sentence", "stage_word", "thousands", "web_address")


class Renderer:
    """Draws pages.

    Args:
        assets: name of a static file -> its address, with its version.
        clock: seconds since the epoch.
    """

    def __init__(
        self, assets: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for name in (*_FILTERS, *_MORE_FILTERS):
            self._environment.filters[name] = getattr(words, name)
        self._environment.globals.update(
            assets=assets,
            is_awaited=is_awaited,
            balance=balance,
            bar=bar,
            interval=words.interval,
            judge=judge,
            code_and_sentence=lambda code: f"{code} {words.code_sentence(code)}",
            sparkline=sparkline,
            stage_word=words.stage_word,
        )

    def __call__(
        self, template: str, *, status: int = 200, has_charts: bool = False, **context: Any
    ) -> Response[bytes]:
        """Draw one page.

        Args:
            template: its file.
            status: of the response.
            has_charts: whether Plotly draws on it.
            **context: what the template shows.

        Returns:
            The page, not to be kept by anybody on the way.
        """
        text = self._environment.get_template(template).render(
            now=self._clock(), has_charts=has_charts, **context
        )
        policy = CHARTS_POLICY if has_charts else CONTENT_POLICY
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return Response(
            text.encode(),
            status_code=status,
            media_type="text/html; charset=utf-8",
            headers=headers,
        )
