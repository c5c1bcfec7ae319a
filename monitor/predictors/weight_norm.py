"""Weight-norm threshold: the norm has fallen to a share of its value at memorization.

    s = (1 - w / w_mem) / (1 - ratio),    w the l2 norm of all trainable weights.

Kept of the paper: that generalisation waits for the norm to come down to a zone in which train and
test loss agree. Left: the zone's lower edge, and the zone itself, which has to be found for each
task by training at fixed norms; the paper gives no ratio that holds elsewhere. The default is a
convention, half of the squared norm, as in the signal `norm_crossing`.

Source:
    Liu et al. 2023 (Omnigrok, arXiv:2210.01117).
"""

from functools import partial

from grokwatch.monitor.predictors._course import Course, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.records import RunStarted

_RATIO = Option(default=0.7, low=0.0, high=1.0)


def fall(course: Course, train_step: int, step: int, *, ratio: float) -> Score:
    """How much of the fall has happened: 0 none, 1 all, negative where the norm has grown."""
    newest, reference = course.newest, course.reference(train_step)
    if newest is None or reference is None:
        return f"no value of weight_norm just after memorization at step {train_step}"
    return (1 - newest.values[0] / reference) / (1 - ratio)


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: what the rule may know before the first observation.
        options: `ratio`, the norm asked for in norms at memorization.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), ratio="0.6")
    """
    (ratio,) = numbers("weight_norm", options, ratio=_RATIO)
    rule = Rule(
        name="weight_norm",
        groups=(("weight_norm",),),
        bounds=(1e-100, 1e100),
        score=partial(fall, ratio=ratio),
    )
    return Published(run, rule)
