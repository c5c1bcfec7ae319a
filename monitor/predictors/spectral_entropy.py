"""Spectral entropy: what a network uses has shrunk to few directions.

    weights:         s = (1 - H / H_mem) / fall,        H of the singular values of one role,
    representation:  s = (1 - H) / (1 - level),         H of the covariance of hidden states,

H the entropy of the shares of variance over that of even ones, between 0 and 1.

Kept of the paper: H of representations (`spectral_entropy:representation`) and its threshold of .61
for addition modulo 97; the paper says that it is another one for other tasks. `weights`, the
default, is the same idea where only weights are watched, taken relative to memorization because no
level is published; its fall is a convention. Left: the paper's forecast of the time to go. It sees
the collapse without grokking in MLPs.

Source:
    Truong et al. 2026 (arXiv:2604.13123).
"""

from functools import partial

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._course import Course, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.records import RunStarted

_FALL = Option(default=0.1, low=0.0, high=1.0)
_LEVEL = Option(default=0.61, low=0.0, high=1.0)
_GROUPS = {
    "weights": tuple(
        (f"spectral_entropy@{role}",) for role in ("input", "embedding", "unembedding", "output")
    ),
    "representation": (("representation_entropy@last",),),
}
_ROUNDING = 1e-6


def share_fallen(course: Course, train_step: int, step: int, *, fall: float) -> Score:
    """The share by which H is below its value at memorization, in shares asked for."""
    newest, reference = course.newest, course.reference(train_step)
    if newest is None or not reference:
        return f"no spectral_entropy above 0 just after memorization at step {train_step}"
    return (1 - newest.values[0] / reference) / fall


def depth(course: Course, train_step: int, step: int, *, level: float) -> Score:
    """How far H is below 1, in depths asked for."""
    newest = course.newest
    if newest is None:
        return "no value of representation_entropy"
    return (1 - newest.values[0]) / (1 - level)


def make(run: RunStarted, *, name: str = "weights", **options: str) -> Published:
    """Make the rule on `weights` or on `representation`.

    Args:
        run: what the rule may know before the first observation.
        name: what the entropy is of.
        options: `fall` for weights, `level` for representation.

    Returns:
        The rule.

    Raises:
        ConfigurationError: the entropy of something else.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), name="representation", level="0.5")
    """
    if name not in _GROUPS:
        msg = (
            f"Expected the spectral entropy of {' or '.join(_GROUPS)}, got {name!r}. "
            "Try 'spectral_entropy:weights'."
        )
        raise ConfigurationError(msg)
    if name == "weights":
        (fall,) = numbers("spectral_entropy", options, fall=_FALL)
        score = partial(share_fallen, fall=fall)
    else:
        (level,) = numbers("spectral_entropy", options, level=_LEVEL)
        score = partial(depth, level=level)
    rule = Rule(
        name="spectral_entropy",
        groups=_GROUPS[name],
        bounds=(0.0, 1 + _ROUNDING),
        score=score,
    )
    return Published(run, rule)
