"""Which signals moved, and since when: what an alert's notice says beside its chances."""

from collections.abc import Iterable

from grokwatch.monitor.notice import Moved
from grokwatch.monitor.records import Assessment

MOST = 5


def moved(judged: Assessment | None, before: Iterable[Assessment]) -> tuple[Moved, ...]:
    """The signals that spoke loudest, each with the step from which on it spoke that way.

    Args:
        judged: the assessment behind the alert.
        before: earlier ones of the run, the newest first.

    Returns:
        At most five, the loudest first; `since_step` is the first step of the stretch of
        assessments that end with this one and give the signal a contribution of the same sign.
    """
    if judged is None:
        return ()
    loudest = sorted(judged.evidence, key=lambda part: -abs(part.contribution))[:MOST]
    since = {part.signal: judged.step for part in loudest if part.contribution}
    sign = {part.signal: part.contribution > 0 for part in loudest}
    going_on = set(since)
    for earlier in before:
        spoke = {part.signal: part.contribution for part in earlier.evidence if part.contribution}
        going_on = {name for name in going_on if name in spoke and (spoke[name] > 0) == sign[name]}
        if not going_on:
            break
        since |= dict.fromkeys(going_on, earlier.step)
    return tuple(
        Moved(signal=part.signal, contribution=part.contribution, since_step=since[part.signal])
        for part in loudest
        if part.signal in since
    )
