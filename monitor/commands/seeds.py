"""Reads lists of seeds from the command line."""

import re

from grokwatch.monitor.errors import ConfigurationError


def parse_seeds(text: str) -> list[int]:
    """Read "10-29" or "3,5,8-9".

    Raises:
        ConfigurationError: the text is neither, or names no seed.

    Example:
        >>> parse_seeds("3,8-9")
        [3, 8, 9]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})(?:-(\d{1,6}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            msg = (
                f"Expected seeds such as '10-29' or '3,5', got {text!r}. "
                "Try whole numbers, the smaller one first."
            )
            raise ConfigurationError(msg)
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    return seeds
