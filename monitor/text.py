"""Numbers and names as people read them."""

import unicodedata

_UNSAFE_CHARACTERS = frozenset("<>\"'`\\{}&")
_LABEL_BYTES = 128


def number(value: int | None) -> str:
    """Write a step for a person: thousands apart, a dash where there is none.

    Example:
        >>> number(26400), number(None)
        ('26,400', '-')
    """
    return "-" if value is None else f"{value:,}"


def inert(text: str, most_bytes: int = _LABEL_BYTES) -> str:
    """Make any text safe to show raw, and to put where templates and markup are read.

    Control, bidirectional and separator characters, lone surrogates, angle brackets, quotes,
    braces, `&` and backslash become `_`.

    Args:
        text: any text, such as a run's name.
        most_bytes: of UTF-8 in the result.

    Returns:
        The text, or its nearest safe form.

    Example:
        >>> inert("seed 3 <b>")
        'seed 3 _b_'
    """
    safe = "".join(c if is_plain(c) and c not in _UNSAFE_CHARACTERS else "_" for c in text)
    return safe.encode()[:most_bytes].decode(errors="ignore")


def is_plain(character: str) -> bool:
    r"""Whether a character only shows itself: it moves, hides and breaks nothing.

    Example:
        >>> is_plain("a"), is_plain("\n")
        (True, False)
    """
    category = unicodedata.category(character)
    return category[0] != "C" and category not in {"Zl", "Zp"}


def in_one_line(text: str, most: int = 500) -> str:
    r"""Text of others within a sentence of ours: one line, nothing that moves or colours it.

    Args:
        text: any text.
        most: characters in the result.

    Returns:
        The text with each run of white space and of characters that are not plain as one space;
        cut where it is longer.

    Example:
        >>> in_one_line("run\n\x1b[31m")
        'run [31m'
    """
    words = "".join(c if is_plain(c) else " " for c in text[: 4 * most]).split()
    line = " ".join(words)
    return line if len(line) <= most else f"{line[: most - 1]}…"
