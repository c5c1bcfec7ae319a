"""Unpacks a gzip body without ever holding more of it than is allowed."""

import zlib
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import Refusal

_GZIP = 31  # the window that tells zlib to expect a gzip header
_CORRUPT = Refusal(
    status=HTTPStatus.BAD_REQUEST,
    detail="Expected one whole gzip stream as body, got something else. "
    "Try sending it without Content-Encoding.",
)


def inflate(data: bytes, *, limit: int, ratio: int) -> bytes | Refusal:
    """Unpack gzip.

    Args:
        data: one gzip stream.
        limit: most bytes that it may unpack to.
        ratio: most bytes that one byte may unpack to.

    Returns:
        The content, or why there is none.

    Example:
        >>> import gzip
        >>> inflate(gzip.compress(b"abc"), limit=3, ratio=100)
        b'abc'
    """
    most = min(limit, ratio * len(data))
    stream = zlib.decompressobj(_GZIP)
    try:
        content = stream.decompress(data, most + 1)
    except zlib.error:
        return _CORRUPT
    if len(content) > most:
        return Refusal(
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            detail=f"Expected at most {limit} bytes unpacked, and {ratio} for each packed one, got "
            "more. Try smaller batches.",
        )
    return content if stream.eof and not stream.unused_data else _CORRUPT
