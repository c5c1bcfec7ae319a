"""What a browser sees where something is missing, forbidden, or broken."""

from collections.abc import Callable

from litestar import Response

from grokwatch.monitor.service.pages.rendering import Renderer

_TITLES = {
    401: ("Who are you?", "This service asks for its token."),
    403: ("Not from there", "This request did not come from a page of this service."),
    404: ("Nothing here", "There is no page at this address."),
    405: ("Not like that", "This address does not take such a request."),
    429: ("Too fast", "Too many requests came from your address. Wait a little."),
    503: ("Not now", "The service cannot answer at the moment. Training is not affected."),
}
_WRONG = ("Not understood", "The service does not understand this address.")
_BROKEN = ("Something broke", "The service could not answer. Training is not affected.")
_TELLING = frozenset({400, 403})
"""What the service says of these helps the person who asked; the rest have sentences of ours."""


def error_page(render: Renderer, status: int, detail: str = "") -> Response[bytes]:
    """Draw the page of an error.

    Args:
        render: draws it.
        status: of the answer.
        detail: what to say in place of the status' own sentence.

    Returns:
        The page. A stranger's needs no further file, for each would ask for the token again.
    """
    title, sentence = _TITLES.get(status, _WRONG if status < 500 else _BROKEN)
    template = "stranger.html" if status == 401 else "error.html"
    return render(template, status=status, code=status, title=title, sentence=detail or sentence)


def missing(render: Renderer, detail: str) -> Response[bytes]:
    """Draw the page of what is not there."""
    return error_page(render, 404, detail)


def make_draw_error(render: Renderer) -> Callable[[int, str], bytes]:
    """Build what turns errors of the whole application into pages.

    Args:
        render: draws them.

    Returns:
        Takes a status and what a program would read; gives the page.
    """

    def draw(status: int, detail: str) -> bytes:
        return error_page(render, status, detail if status in _TELLING else "").content

    return draw
