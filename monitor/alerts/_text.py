"""An alert in words: a title, and a short text for people."""

from grokwatch.monitor.notice import Moved, Notice
from grokwatch.monitor.records import Assessment, Chance, Interval
from grokwatch.monitor.text import in_one_line, number

_MOST_NAME = 80
_MOST_MESSAGE = 500
_MOST_LINK = 500
_NUM_MOVED = 3


def title(notice: Notice) -> str:
    """Say what happened to which run, in a few words.

    Args:
        notice: what to tell.

    Returns:
        One line of at most about 150 characters.
    """
    alert = notice.alert
    name = in_one_line(notice.name or alert.run_id, _MOST_NAME)
    return f"{alert.code.value} {alert.state.value}: {alert.code.sentence} ({name})"


def text(notice: Notice) -> str:
    """Say what happened, how sure that is, when to expect it, what moved, and where to look.

    Args:
        notice: what to tell.

    Returns:
        A paragraph, then a line per link.
    """
    judged = notice.alert.assessment
    parts = [in_one_line(notice.alert.message, _MOST_MESSAGE).rstrip(".") + "."]
    if judged is not None:
        parts += [sentence for sentence in (certainty(judged), _expectation(judged)) if sentence]
    if notice.moved:
        parts.append(moved(notice))
    return "\n".join([" ".join(parts), *_links(notice)])


def certainty(judged: Assessment) -> str:
    """Say how sure an assessment is, by whom; why where it cannot tell."""
    by = in_one_line(judged.predictor, _MOST_NAME)
    if judged.standard is None:
        return f"It cannot tell: {in_one_line(judged.reason or 'no reason given', 200)} ({by})."
    generalising = f"{_chance(judged.standard)} of generalising"
    if not judged.rising or judged.rise is None:
        return f"Probability {generalising} ({by})."
    rising = f"{_chance(judged.rise)} of test accuracy beginning to rise"
    return f"Probability {rising}, {generalising} ({by})."


def eta(interval: Interval) -> str:
    """Write an interval of steps from now.

    Example:
        >>> eta(Interval(low=1200, high=3400)), eta(Interval(low=1200, high=None))
        ('1,200 to 3,400 steps', '1,200 steps or more')
    """
    if interval.high is None:
        return f"{number(interval.low)} steps or more"
    return f"{number(interval.low)} to {number(interval.high)} steps"


def moved(notice: Notice) -> str:
    """Name the signals that spoke loudest, which way, and since when; "" where none did."""
    loudest = sorted(notice.moved, key=lambda each: -abs(each.contribution))[:_NUM_MOVED]
    return f"Moved: {', '.join(map(_moved, loudest))}." if loudest else ""


def _chance(chance: Chance) -> str:
    return f"{chance.probability:.2g} within {number(chance.horizon_steps)} steps"


def _expectation(judged: Assessment) -> str:
    if judged.eta_steps is None:
        return ""
    return f"Expected in {eta(judged.eta_steps)} from step {number(judged.step)}."


def _moved(signal: Moved) -> str:
    way = "for" if signal.contribution > 0 else "against"
    since = "" if signal.since_step is None else f" since step {number(signal.since_step)}"
    return f"{in_one_line(signal.signal, _MOST_NAME)} ({way}{since})"


def _links(notice: Notice) -> list[str]:
    return [
        f"{in_one_line(what, _MOST_NAME)}: {in_one_line(where, _MOST_LINK)}"
        for what, where in notice.links.items()
    ]
