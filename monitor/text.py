"""Numbers as people read them."""


def number(value: int | None) -> str:
    """Write a step for a person: thousands apart, a dash where there is none.

    Example:
        >>> number(26400), number(None)
        ('26,400', '-')
    """
    return "-" if value is None else f"{value:,}"
