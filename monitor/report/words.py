"""Numbers, steps, and times as people read them on the pages.

What is not known is a dash, never a zero. Spaces inside a number do not break.
"""

import datetime
import math
from urllib.parse import quote, urlsplit

from grokwatch.monitor.vocabulary import AlertCode, Stage

UNKNOWN = "–"  # noqa: RUF001 - the dash of a table
_SPACE = "\N{NO-BREAK SPACE}"
_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))
_STAGES = {
    "fitting": "fitting",
    "plateau": "memorised",
    "circuit_formation": "structure forming",
    "cleanup": "clean-up",
    "generalized": "generalised",
}


def thousands(count: int | None) -> str:
    """A count with separators.

    Example:
        >>> thousands(12300)
        '12,300'
    """
    return UNKNOWN if count is None else f"{count:,}"


def percent(probability: float | None) -> str:
    """A probability or accuracy in per cent; what is nearly sure is not called sure.

    Example:
        >>> [percent(p).replace(_SPACE, " ") for p in (0.004, 0.434, 0.997, 1.0)]
        ['<1 %', '43 %', '>99 %', '100 %']
    """
    if probability is None or not math.isfinite(probability):
        return UNKNOWN
    hundredths = 100 * probability
    if 0 < hundredths < 1:
        return f"<1{_SPACE}%"
    if 99 < hundredths < 100:
        return f">99{_SPACE}%"
    return f"{hundredths:.0f}{_SPACE}%"


def number(value: object) -> str:
    """A measured number to four digits; anything else as it is written.

    Example:
        >>> [number(value) for value in (0.00012345, 12345.678, True, None, "adam", 97)]
        ['0.0001234', '12,346', 'yes', '–', 'adam', '97']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return UNKNOWN
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:,.0f}" if 1_000 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def interval(low: int | None, high: int | None) -> str:
    """Steps from now between which something is expected.

    Example:
        >>> interval(1200, 3400), interval(1200, None)
        ('1,200 to 3,400', '1,200 or more')
    """
    if low is None:
        return UNKNOWN
    return f"{low:,} or more" if high is None else f"{low:,} to {high:,}"


def ago(seconds: float, now: float) -> str:
    """How long ago a time was, in its largest unit; clocks may disagree a little.

    Example:
        >>> [ago(then, 10_000.0).replace(_SPACE, " ") for then in (9_998.0, 9_900.0, 1_000.0)]
        ['just now', '1 min ago', '2 h ago']
    """
    past = now - seconds
    if not math.isfinite(past):
        return UNKNOWN
    for span, unit in _SPANS:
        if past >= span and past >= 5:
            return f"{int(past // span)}{_SPACE}{unit}{_SPACE}ago"
    return "just now"


def instant(seconds: float | None) -> str:
    """A time in UTC, to the second.

    Example:
        >>> instant(0.0)
        '1970-01-01 00:00:00 UTC'
    """
    try:
        moment = datetime.datetime.fromtimestamp(seconds or 0.0, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return UNKNOWN
    return UNKNOWN if seconds is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def stage_word(stage: str | None) -> str:
    """A stage in a word or two; one that this version does not know as it is written."""
    return UNKNOWN if stage is None else _STAGES.get(stage, stage)


def stage_sentence(stage: str | None) -> str:
    """What a stage means; one that this version does not know as it is written."""
    if stage is None:
        return "nothing was measured yet"
    return Stage(stage).sentence if stage in _STAGES else stage


def code_sentence(code: str) -> str:
    """What an alert's code means; one that this version does not know means itself."""
    known = {each.value: each.sentence for each in AlertCode}
    return known.get(code, code)


def web_address(link: str | None) -> str | None:
    """A link as it came, where it leads to the web; None for any other scheme.

    Example:
        >>> web_address("https://mlflow/#/runs/1"), web_address("javascript:alert(1)")
        ('https://mlflow/#/runs/1', None)
    """
    try:
        parts = urlsplit(link or "")
    except ValueError:
        return None
    return link if parts.scheme in {"http", "https"} and parts.netloc else None


def run_address(run_id: str) -> str:
    """Where the page of a run is.

    Example:
        >>> run_address("a/b c")
        '/runs/a%2Fb%20c'
    """
    return f"/runs/{quote(run_id, safe='')}"
