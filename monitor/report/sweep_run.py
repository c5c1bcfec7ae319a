"""One run of a sweep as its report knows it, from its records."""

from collections.abc import Iterable, Sequence

import msgspec

from grokwatch.monitor import watcher
from grokwatch.monitor.labels import label
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Evaluation,
    HyperParameter,
    Observation,
    Outcome,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.report.sweep_curves import NOT_A_NUMBER, Curve, curve_of, thin
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus

SEED = "seed"
_NAMES = frozenset({SEED, "cell"})
"""Hyper-parameters that name a run or its cell, and are no axis."""


class SweepRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one run.

    Attributes:
        run_id: its name for ever.
        seed: what tells it from the others of its cell.
        hyper_parameters: all of them, without the seed.
        phase: value of a `Phase`, `generalized` where it is not known when, None where only losses
            are known.
        curve: accuracies, thinned; None where none were kept.
        num_test: examples held out, which the plateau's error is read from.
        memorized_step: where it memorised, by its label.
        generalized_step: where it generalised, by its label.
        last_step: last step trained.
        min_train_loss: the least, where only losses are known.
        min_test_loss: likewise.
        has_diverged: its numbers were no longer finite.
        has_collapsed: its test accuracy fell again after it generalised.
        is_judged: whether a predictor judged it.
        warned_step: where GRK001 first fired.
        stopped_step: where GRK002 first fired, unless GRK001 had before.
    """

    run_id: str
    seed: int | None = None
    hyper_parameters: dict[str, HyperParameter] = {}
    phase: str | None = None
    curve: Curve | None = None
    num_test: int | None = None
    memorized_step: int | None = None
    generalized_step: int | None = None
    last_step: int = 0
    min_train_loss: float | None = None
    min_test_loss: float | None = None
    has_diverged: bool = False
    has_collapsed: bool = False
    is_judged: bool = False
    warned_step: int | None = None
    stopped_step: int | None = None


def run_of(records: Sequence[AnyRecord], *, predictor: str | None) -> SweepRun:
    """Gather what is shown of one run.

    Args:
        records: of the run, in order.
        predictor: judges it where its records hold no alerts; None for nobody.

    Returns:
        The run.

    Raises:
        ConfigurationError: no such predictor.
    """
    started = next((r for r in records if isinstance(r, RunStarted)), None)
    settings = dict(started.hyper_parameters) if started else {}
    num_test = _whole(settings.get("num_test"))
    outcome, curve = _seen(records, num_test)
    alerts = _alerts(records, predictor)
    warned, given_up = (
        _first(alerts, code) for code in (AlertCode.LIKELY_GROKKING, AlertCode.WILL_NOT_GROK)
    )
    ends = [r.status for r in records if isinstance(r, RunEnded)]
    return SweepRun(
        run_id=records[0].run_id,
        seed=_whole(settings.get(SEED)),
        hyper_parameters={key: settings[key] for key in settings if key not in _NAMES},
        phase=outcome.phase.value,
        curve=thin(curve),
        num_test=num_test,
        memorized_step=outcome.train_step,
        generalized_step=outcome.grokking_step,
        last_step=max(curve.steps, default=0),
        has_diverged=RunStatus.FAILED in ends,
        has_collapsed=outcome.collapse,
        is_judged=alerts is not None,
        warned_step=warned,
        stopped_step=given_up if warned is None or (given_up or 0) < warned else None,
    )


def relabelled(curve: Curve, num_test: int | None) -> Outcome:
    """The label that a thinned curve gives.

    Args:
        curve: of one run.
        num_test: examples held out.

    Returns:
        The outcome, by the rule for whole runs.
    """
    trained = (
        Observation(run_id="", time=0.0, step=step, train_loss=0.0, train_accuracy=_number(value))
        for step, value in zip(curve.steps, curve.train, strict=True)
        if value >= NOT_A_NUMBER
    )
    tested = (
        Evaluation(run_id="", time=0.0, step=step, test_accuracy=_number(value))
        for step, value in zip(curve.steps, curve.test, strict=True)
        if value >= NOT_A_NUMBER
    )
    return label(trained, tested, num_test_examples=num_test)


def _seen(records: Sequence[AnyRecord], num_test: int | None) -> tuple[Outcome, Curve]:
    """Label of a run, and its accuracies."""
    observations = [r for r in records if isinstance(r, Observation)]
    evaluations = [r for r in records if isinstance(r, Evaluation)]
    curve = curve_of(
        ((o.step, o.train_accuracy) for o in observations),
        ((e.step, e.test_accuracy) for e in evaluations),
    )
    return label(observations, evaluations, num_test_examples=num_test), curve


def _number(value: float) -> float:
    """An accuracy, or what stands for none."""
    return float("nan") if value < 0 else value


def _alerts(records: Sequence[AnyRecord], predictor: str | None) -> list[Alert] | None:
    """Alerts that were raised, or those that the predictor would have; None where nobody judges."""
    kept = [r for r in records if isinstance(r, Alert)]
    if kept or predictor is None:
        return kept or None
    return [r for r in watcher.replay(records, predictor=predictor) if isinstance(r, Alert)]


def _first(alerts: Iterable[Alert] | None, code: AlertCode) -> int | None:
    """Where an alert first fired."""
    fired = (a.step for a in alerts or () if (a.code, a.state) == (code, AlertState.FIRING))
    return next(fired, None)


def _whole(value: HyperParameter) -> int | None:
    """A number that counts something."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
