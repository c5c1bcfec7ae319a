"""Rows that no table is printed without, and that are no streaming predictors.

B0 the base rate; B1 hyper-parameters only, by kernel regression and by boosted trees; B2 time since
memorization only; B7 the slope of test accuracy and B8 the fall of test loss from its peak, which
read test labels and are upper bounds for cheap monitoring. B9, constants for remaining time, are at
the end. Each is fitted on runs that may be fitted on, and gives traces like a predictor's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grokwatch.experiments.validation.bootstrap import numbered
from grokwatch.experiments.validation.fitting import (
    Fit,
    Model,
    constant,
    cross_fitted,
    kernel,
    logistic,
    parts_of,
    trees,
)
from grokwatch.experiments.validation.problems import LANDMARKS, Labels, landmark_look
from grokwatch.experiments.validation.settings import Settings
from grokwatch.experiments.validation.timing import Remaining, at_landmark
from grokwatch.experiments.validation.trace import HELD_OUT, Floats, Mask, Trace, Whole

BASE_RATE = "B0 base rate"
KERNEL = "B1 hyper-parameters, kernel"
TREES = "B1 hyper-parameters, trees"
TIME = "B2 time since memorization"
SLOPE = "B7 slope of test accuracy"
PEAK = "B8 fall of test loss"
HYPER_PARAMETERS = (KERNEL, TREES)

_AT_ONCE = 1
_STEPS_OF_FIT = (_AT_ONCE, *LANDMARKS)
_SLOPE_LOOKS = 10
_GRID = 200
_NO_PART = -1

Ranked = Callable[[Trace], Floats]
"""One causal score for each look, `(T,)`."""


@dataclass(frozen=True)
class Fitted:
    """Traces of one baseline.

    Attributes:
        fitted: on the runs that it was fitted on, by models that did not see their folds.
        judged: on other runs.
    """

    fitted: list[Trace]
    judged: list[Trace]


def baselines(
    fits: Sequence[Trace], judged: Sequence[Trace], *, labels: Labels | None = None
) -> dict[str, Fitted]:
    """Fit all of them.

    Args:
        fits: traces of any predictor on runs that may be fitted on.
        judged: of the same on runs to be judged; those that were fitted on get what models said
            that had not seen their fold.
        labels: run id -> outcome, in place of the truth.

    Returns:
        Name -> traces.
    """
    by_landmark = {
        BASE_RATE: constant,
        KERNEL: kernel,
        TREES: trees,
    }
    ranked: Mapping[str, tuple[Ranked, Fit, str]] = {
        TIME: (_time, kernel, "train"),
        SLOPE: (accuracy_slope, logistic, HELD_OUT),
        PEAK: (loss_fall, logistic, HELD_OUT),
    }
    found = {
        name: _by_settings(name, fit, fits, judged, labels) for name, fit in by_landmark.items()
    }
    for name, (rank, fit, access) in ranked.items():
        found[name] = _by_rank(name, rank, fit, access, (fits, judged), labels)
    return found


def constants(fits: Sequence[Trace]) -> dict[str, Remaining]:
    """B9: remaining times that need no look at the run but its clock.

    Args:
        fits: traces on runs that may be fitted on.

    Returns:
        Name -> remaining steps at a look; medians over grokking runs at landmarks.
    """
    looks = [
        (trace, look)
        for landmark in LANDMARKS
        for trace, look in at_landmark(fits, landmark)
        if trace.facts.generalized
    ]
    left = np.array([(t.facts.outcome.grokking_step or 0) - t.step[look] for t, look in looks])
    since = np.array([t.since[look] for t, look in looks])
    steps = float(np.median(left)) if len(looks) else np.nan
    multiple = float(np.median(left / since)) if len(looks) else np.nan
    return {
        "B9 constant steps": lambda trace, look: steps,
        "B9 constant multiple": lambda trace, look: multiple * float(trace.since[look]),
    }


def accuracy_slope(trace: Trace) -> Floats:
    """B7: rise of test accuracy per unit of log step, over the last ten looks; held-out.

    A predictor of the train side never sees it.
    """
    accuracy, logs = _carried(trace.curve.test_accuracy), np.log(np.maximum(trace.step, 1))
    before = np.maximum(np.arange(len(logs)) - _SLOPE_LOOKS, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope: Floats = (accuracy - accuracy[before]) / (logs - logs[before])
    return np.where(np.isfinite(slope), slope, 0.0)


def loss_fall(trace: Trace) -> Floats:
    """B8: share by which test loss is below its peak since memorization; held-out.

    A predictor of the train side never sees it.
    """
    loss = np.where(trace.since >= 0, _carried(trace.curve.test_loss), -np.inf)
    peak = np.fmax.accumulate(loss)
    with np.errstate(invalid="ignore", divide="ignore"):
        fall = 1 - loss / peak
    return np.nan_to_num(fall, nan=0.0, posinf=0.0, neginf=0.0)


def _time(trace: Trace) -> Floats:
    """B2: logarithm of the steps since memorization."""
    return np.log(np.maximum(np.nan_to_num(trace.since, nan=1.0), 1.0))


def _by_settings(
    name: str, fit: Fit, fits: Sequence[Trace], judged: Sequence[Trace], labels: Labels | None
) -> Fitted:
    """A baseline of hyper-parameters: one model for each landmark, of the runs at risk there."""
    settings = Settings([trace.facts for trace in fits])
    own, other = (settings.columns([t.facts for t in traces]) for traces in (fits, judged))
    said_own = np.full((len(fits), len(_STEPS_OF_FIT)), np.nan)
    said_other = np.full((len(judged), len(_STEPS_OF_FIT)), np.nan)
    outcomes = _outcomes(fits, labels)
    folds, _ = numbered([trace.facts.fold for trace in fits])
    for column, landmark in enumerate(_STEPS_OF_FIT):
        at_risk = np.array([_is_at_risk(trace, landmark) for trace in fits], dtype=np.bool_)
        model, cross = cross_fitted(fit, own[at_risk], outcomes[at_risk], folds[at_risk])
        said_own[:, column] = _model_or(model, own)
        said_own[at_risk, column] = cross
        said_other[:, column] = _model_or(model, other)
    places = {trace.facts.run_id: place for place, trace in enumerate(fits)}
    return Fitted(
        fitted=[_stepped(t, name, said_own[place]) for place, t in enumerate(fits)],
        judged=[
            _stepped(t, name, said_own[places[t.facts.run_id]])
            if t.facts.run_id in places
            else _stepped(t, name, said_other[place])
            for place, t in enumerate(judged)
        ],
    )


def _by_rank(
    name: str,
    rank: Ranked,
    fit: Fit,
    access: str,
    traces: tuple[Sequence[Trace], Sequence[Trace]],
    labels: Labels | None,
) -> Fitted:
    """A baseline of one causal score: one model of it at all landmarks, cross-fitted."""
    fits, judged = traces
    outcomes = _outcomes(fits, labels)
    folds, _ = numbered([trace.facts.fold for trace in fits])
    rows = [
        (rank(trace)[look], place)
        for landmark in LANDMARKS
        for place, trace in enumerate(fits)
        if (look := landmark_look(trace, landmark)) is not None
    ]
    scores = np.array([score for score, _ in rows], dtype=np.float64)
    places = np.array([place for _, place in rows], dtype=np.int64)
    parts = parts_of(folds)
    grid = np.linspace(scores.min(initial=0.0), scores.max(initial=1.0), _GRID)

    def curve(part: int) -> Floats:
        rest = parts[places] != part
        at = places[rest]
        return fit(scores[rest][:, None], outcomes[at], folds[at])(grid[:, None])

    curves = {int(part): curve(int(part)) for part in (_NO_PART, *np.unique(parts))}
    own = {t.facts.run_id: int(part) for t, part in zip(fits, parts, strict=True)}

    def judge(trace: Trace) -> Trace:
        said = curves[own.get(trace.facts.run_id, _NO_PART)]
        return _trace(trace, name, np.interp(rank(trace), grid, said), access)

    return Fitted(fitted=[judge(trace) for trace in fits], judged=[judge(t) for t in judged])


def _is_at_risk(trace: Trace, landmark: int) -> bool:
    if landmark == _AT_ONCE:
        return trace.facts.train_step < min(trace.facts.steps, trace.facts.risk_end)
    return landmark_look(trace, landmark) is not None


def _outcomes(traces: Sequence[Trace], labels: Labels | None) -> Mask:
    given = [
        trace.facts.generalized if labels is None else labels[trace.facts.run_id]
        for trace in traces
    ]
    return np.array(given, dtype=np.bool_)


def _model_or(model: Model, columns: Floats) -> Floats:
    return model(columns) if len(columns) else np.zeros(0)


def _stepped(trace: Trace, name: str, said: Floats) -> Trace:
    """The probability of the last landmark that was passed, at each look."""
    # A look stands for all steps up to the next one: that is where a landmark is judged.
    following = np.append(trace.step[1:], trace.facts.steps + 1)
    multiples = np.nan_to_num(following / trace.facts.train_step, nan=0.0)
    places: Whole = np.searchsorted(_STEPS_OF_FIT, multiples, side="left") - 1
    return _trace(trace, name, said[np.maximum(places, 0)], "train")


def _trace(template: Trace, name: str, said: Floats, access: str) -> Trace:
    """A trace that says how likely grokking by T_max is, after memorization."""
    told = np.where(template.since > 0, said, np.nan)
    left = np.maximum(template.facts.steps - template.step, 1)
    return replace(
        template,
        predictor=name,
        probability=told,
        rising=told,
        horizons=left[:, None],
        chances=told[:, None],
        eta=np.full((len(told), 2), np.nan),
        fired={},
        concerned={},
        access=access,
    )


def _carried(values: Floats) -> Floats:
    """The last value there was, at each look; NaN before the first."""
    seen = np.where(np.isnan(values), -1, np.arange(len(values)))
    last = np.maximum.accumulate(seen) if len(seen) else seen
    return np.where(last >= 0, values[np.maximum(last, 0)], np.nan)
