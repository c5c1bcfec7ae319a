"""What a run may be called: ids that are safe in addresses and files, names safe to show."""

import re
import unicodedata

RUN_ID = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
"""Ids of runs: 1 to 128 letters, digits and `. _ -`, no dot in front."""

LONGEST_NAME = 256

_RUN_ID = re.compile(RUN_ID.strip("^$"))
_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def is_run_id(text: str) -> bool:
    """Whether a run may be called so.

    Example:
        >>> is_run_id("seed-3.a"), is_run_id("../x"), is_run_id(".hidden")
        (True, False, False)
    """
    return _RUN_ID.fullmatch(text) is not None


def clean_name(text: str) -> str:
    r"""Make a name fit to be shown: no control or bidirectional characters, at most 256.

    Args:
        text: any name.

    Returns:
        What is left of it, without white space around it; markup stays as it is.

    Example:
        >>> clean_name(" seed\u202e 3\n")
        'seed 3'
    """
    visible = (c for c in text if unicodedata.category(c) not in _INVISIBLE)
    return "".join(visible).strip()[:LONGEST_NAME].rstrip()
