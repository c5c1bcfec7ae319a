"""Runs as records, for the tests of reports: whole ones, and ones with something missing."""

from collections.abc import Iterator
from typing import Any

from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Evidence,
    Interval,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
    SkippedSignal,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

RUN = "a1"
STEPS = tuple(range(100, 8100, 100))
MEMORIZED, WARNED, ROSE, GROKKED = 300, 2700, 5000, 7600
HORIZONS = (10_000, 20_000, 30_000)
_ACCURACY = {"early": 0.4, "plateau": 0.03, "rising": 0.6, "high": 0.99}


def start(**rest: Any) -> RunStarted:
    signals = (
        SignalInfo(name="weight_norm", unit="", summary="l2 norm of all trainable weights."),
        SignalInfo(name="fourier_entropy", unit="nats", summary="Entropy of the power."),
    )
    told = {"name": "mod 67", "signals": signals, "budget_steps": 10_000, **rest}
    return RunStarted(run_id=RUN, time=1_700_000_000.0, **told)


def observed(step: int, **rest: Any) -> Observation:
    values = {"weight_norm": 90.0 - step / 200, "fourier_entropy@input": 1.0 - step / 9000}
    told = {
        "train_loss": 10.0 / max(step, 1),
        "train_accuracy": 1.0 if step >= MEMORIZED else _ACCURACY["early"],
        "values": values,
        "cost_seconds": 0.001,
        **rest,
    }
    return Observation(run_id=RUN, step=step, time=float(step), **told)


def evaluated(step: int, **rest: Any) -> Evaluation:
    stage = "high" if step >= GROKKED else "rising" if step >= ROSE else "plateau"
    told = {"test_loss": 5.0, "test_accuracy": _ACCURACY[stage], **rest}
    return Evaluation(run_id=RUN, step=step, time=float(step), **told)


def judged(step: int, **rest: Any) -> Assessment:
    rise = 0.91 if step >= WARNED else 0.2
    told: dict[str, Any] = {
        "stage": Stage.CIRCUIT_FORMATION if step >= WARNED else Stage.PLATEAU,
        "chances": tuple(Chance(horizon_steps=h, probability=rise * h / 3e4) for h in HORIZONS),
        "rising": tuple(Chance(horizon_steps=h, probability=rise) for h in HORIZONS),
        "eta_steps": Interval(low=1000, high=9000),
        "evidence": (
            Evidence(signal="fourier_entropy@input", contribution=0.9),
            Evidence(signal="weight_norm", contribution=-0.3),
        ),
        **rest,
    }  # fmt: skip
    return Assessment(run_id=RUN, step=step, time=float(step), predictor="hazard@2", **told)


def alerted(step: int, state: AlertState = AlertState.FIRING, **rest: Any) -> Alert:
    told: dict[str, Any] = {
        "id": "f" * 32,
        "code": AlertCode.LIKELY_GROKKING,
        "message": "likely to generalise",
        "assessment": judged(step),
        **rest,
    }
    return Alert(
        run_id=RUN, episode=1, severity=Severity.WARNING, state=state, step=step,
        time=float(step), **told,
    )  # fmt: skip


def ended(status: RunStatus = RunStatus.FINISHED, message: str = "") -> RunEnded:
    return RunEnded(run_id=RUN, step=STEPS[-1], time=9000.0, status=status, message=message)


def grokked() -> list[AnyRecord]:
    """A run that memorised, was warned of, and generalised."""
    return [start(hyper_parameters={"lr": 0.001, "seed": 3}), *_course(), ended()]


def going(last: int = 4000) -> list[AnyRecord]:
    """The same before test accuracy moves."""
    kept = [start(), *_course()]
    return [record for record in kept if getattr(record, "step", 0) <= last]


def hostile(words: tuple[str, ...]) -> list[AnyRecord]:
    """A run in which every text of others is one that means harm."""
    signals = tuple(SignalInfo(name=word, unit=word, summary=word) for word in words)
    skipped = tuple(SkippedSignal(name=word, reason=word, remedy=word) for word in words)
    evidence = tuple(Evidence(signal=word, contribution=0.5) for word in words)
    values = dict.fromkeys(words, 1.0) | {f"{word}@{word}": 2.0 for word in words}
    told = " ".join(words)
    return [
        start(
            name=told, signals=signals, skipped=skipped, guesses=words, group=told,
            hyper_parameters=dict(zip(words, words, strict=True)),
            versions=dict(zip(words, words, strict=True)),
        ),
        *(observed(step, values=values) for step in STEPS),
        *(judged(step, evidence=evidence, reason=told) for step in STEPS),
        *(alerted(100 + at, message=word, id=str(at)) for at, word in enumerate(words)),
        ended(RunStatus.FAILED, told),
    ]  # fmt: skip


def _course() -> Iterator[AnyRecord]:
    for step in STEPS:
        yield observed(step)
        yield evaluated(step)
        yield judged(step)
        if step == WARNED:
            yield alerted(step)
        if step == GROKKED:
            yield alerted(step, AlertState.CONFIRMED)
