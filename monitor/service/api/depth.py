"""How deep a JSON text nests, found without parsing it."""

import re

DEEPEST = 32

_BEYOND_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
# Possessive, and content with a string that never ends: linear in the length of any text.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)


def is_too_deep(data: bytes, deepest: int = DEEPEST) -> bool:
    """Whether brackets nest deeper than allowed, or do not match.

    Args:
        data: JSON, or anything else.
        deepest: most brackets around one place.

    Returns:
        False for JSON that nests at most so deep.

    Example:
        >>> is_too_deep(b'{"a": "[[["}', 1), is_too_deep(b'{"a": [1]}', 1)
        (False, True)
    """
    brackets = _STRING.sub(b"", data).translate(None, _BEYOND_BRACKETS).translate(_SQUARE)
    for _ in range(deepest):
        brackets = brackets.replace(b"[]", b"")  # the innermost of each place, all at once
    return bool(brackets)
