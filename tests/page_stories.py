"""What stories of the pages are told with: made-up runs."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from grokwatch.monitor.records import (
    Assessment,
    Chance,
    Evidence,
    Interval,
    SignalInfo,
    SkippedSignal,
)
from grokwatch.monitor.service.views import AlertRow, RunDetail, RunRow
from grokwatch.monitor.vocabulary import Stage

NOW = 1_790_000_000.0
HORIZONS = (1_000, 3_000, 10_000, 30_000, 100_000)
SIGNALS = (
    SignalInfo(
        name="gini_coefficient",
        unit="-",
        summary="Sparsity of the Fourier spectrum of a matrix; rises as circuits form.",
    ),
    SignalInfo(name="weight_norm", unit="-", summary="L2 norm of all weights; falls at cleanup."),
    SignalInfo(name="margin", unit="nats", summary="How far the right answer is ahead."),
    SignalInfo(name="stable_rank", unit="-", summary="Squared Frobenius over squared spectral."),
)
KEYS = (
    "gini_coefficient.excess@embedding",
    "gini_coefficient.excess@unembedding",
    "weight_norm",
    "weight_norm@embedding",
    "margin.mean",
    "margin.least",
    "stable_rank@embedding",
)


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One made-up run: its row, what its start said, and its numbers by step."""

    detail: RunDetail
    course: dict[str, tuple[float | None, ...]]
    steps: tuple[int, ...]
    said: tuple[Assessment, ...]
    alerts: tuple[AlertRow, ...] = ()

    @property
    def row(self) -> RunRow:
        return self.detail.run


def rise(step: float, middle: float, width: float = 0.12) -> float:
    """A curve from 0 to 1 around a step, on a scale of orders of magnitude."""
    return 1 / (1 + math.exp(-(math.log10(max(step, 1)) - math.log10(middle)) / width))


def story(
    run_id: str,
    *,
    name: str = "",
    last: int = 12_000,
    memorized: float = 140.0,
    rises: float | None = None,
    chance: float | None = 0.5,
    stage: Stage = Stage.PLATEAU,
    alerts: tuple[AlertRow, ...] = (),
    keys: tuple[str, ...] = KEYS,
    **changes: Any,
) -> Story:
    """Make up a run.

    `rises` is the step around which test accuracy does, `chance` the probability in the end; None
    where the predictor cannot tell.
    """
    steps = tuple(sorted({round(10 ** (i / 50)) for i in range(round(50 * math.log10(last)) + 1)}))
    course = _course(steps, memorized=memorized, rises=rises, keys=keys)
    said = _said(run_id, steps, memorized=memorized, chance=chance, stage=stage)
    facts: dict[str, Any] = {
        "source": "push",
        "group": "addition mod 97",
        "attempt": 1,
        "status": "running",
        "stage": stage.value,
        "probability": said[-1].probability if said else None,
        "rise_probability": said[-1].rise_probability if said else None,
        "eta_low": 1_200 if (chance or 0) > 0.5 else None,
        "eta_high": 5_400 if (chance or 0) > 0.5 else None,
        "reason": said[-1].reason if said else None,
        "step": steps[-1],
        "train_loss": course["train_loss"][-1],
        "train_accuracy": course["train_accuracy"][-1],
        "test_accuracy": course["test_accuracy"][-1],
        "budget_steps": 30_000,
        "started": NOW - 5_000,
        "seen": NOW - 8,
        "num_observations": len(steps),
        "num_late": 0,
        "revision": 1,
        "alerts": tuple(alert.code for alert in alerts if alert.state == "firing"),
    }
    row = RunRow(run_id=run_id, name=name or run_id, **{**facts, **changes})
    detail = RunDetail(
        run=row,
        hyper_parameters={
            "lr": 0.001,
            "weight_decay": 1.0,
            "optimizer": "AdamW",
            "seed": sum(run_id.encode()) % 10,
            "task.p": 97,
            "train_fraction": 0.3,
        },
        signals=SIGNALS,
        skipped=(
            SkippedSignal(
                name="head_similarity",
                reason="needs attention maps, and no module of the model gives any",
                remedy='Probe(attention="blocks.0.attention")',
            ),
        ),
        guesses=("the embedding is embed.weight, because its rows are as many as tokens",),
        versions={"grokwatch": "0.1.0", "torch": "2.10.0"},
        keys=("train_loss", "train_accuracy", "test_loss", "test_accuracy", *keys),
    )
    return Story(detail=detail, course=course, steps=steps, said=said, alerts=alerts)


def unseen(run_id: str) -> Story:
    """Make up a run that has begun, and has not been observed."""
    told = story(run_id, last=2, chance=None)
    row = msgspec.structs.replace(
        told.row, stage=None, step=None, reason=None, train_accuracy=None, test_accuracy=None
    )
    detail = msgspec.structs.replace(told.detail, run=row, keys=())
    return Story(detail=detail, course={}, steps=(), said=())


def _course(
    steps: Sequence[int], *, memorized: float, rises: float | None, keys: Sequence[str]
) -> dict[str, tuple[float | None, ...]]:
    """Curves of a run: it memorises, and may generalise later."""
    fitted = [rise(step, memorized / 2.5) for step in steps]
    learned = [rise(step, rises, 0.05) if rises else 0.0 for step in steps]
    forming = [rise(step, rises * 0.7) if rises else 0.03 * math.log10(step + 1) for step in steps]
    wobble = [math.sin(7 * math.log(step + 1)) for step in steps]
    course: dict[str, tuple[float | None, ...]] = {
        "train_accuracy": tuple(0.01 + 0.99 * part for part in fitted),
        "test_accuracy": tuple(0.011 + 0.985 * part for part in learned),
        "train_loss": tuple(
            4.6 * (1 - a) ** 2 + 2e-5 * 140 / step + 1e-7
            for a, step in zip(fitted, steps, strict=True)
        ),
        "test_loss": tuple(
            4.6 + 9 * a * (1 - b) - 4.58 * b for a, b in zip(fitted, learned, strict=True)
        ),
    }
    for index, key in enumerate(keys):
        scale, base = (40.0, 28.0) if "norm" in key else (0.8, 0.08)
        turned = [1 - part for part in forming] if "norm" in key else forming
        course[key] = tuple(
            base + scale * (0.9 + index / 40) * part + scale * 0.01 * wave
            for part, wave in zip(turned, wobble, strict=True)
        )
    return course


def _said(
    run_id: str,
    steps: Sequence[int],
    *,
    memorized: float,
    chance: float | None,
    stage: Stage,
) -> tuple[Assessment, ...]:
    """What the predictor said on the way: nothing before memorisation, then ever surer."""
    said = []
    for step in steps:
        sure = rise(step, memorized * 6, 0.2)
        has_said = chance is not None and step > 1.5 * memorized
        level = 0.2 * (1 - sure) + (chance or 0.0) * sure
        said.append(
            Assessment(
                run_id=run_id,
                step=step,
                time=NOW,
                predictor="hazard@1",
                stage=stage if step > memorized else Stage.FITTING,
                chances=_chances(level * 0.85) if has_said else (),
                rising=_chances(level) if has_said else (),
                reason=None if has_said else _REASON if step > memorized else _EARLY,
                eta_steps=Interval(low=1_200, high=5_400) if has_said else None,
                evidence=_evidence(level) if has_said else (),
            )
        )
    return tuple(said)


_EARLY = "the training data are not memorised yet"
_REASON = "no reading of structure, and by loss and norms alone it would be wrong too often"


def _chances(level: float) -> tuple[Chance, ...]:
    powers = (3.0, 1.8, 1.0, 0.7, 0.5)
    return tuple(
        Chance(horizon_steps=horizon, probability=min(level**power, 1.0))
        for horizon, power in zip(HORIZONS, powers, strict=True)
    )


def _evidence(level: float) -> tuple[Evidence, ...]:
    lean = 2 * level - 0.8
    return (
        Evidence(signal="gini_coefficient", contribution=1.9 * lean),
        Evidence(signal="weight_norm", contribution=0.8 * lean),
        Evidence(signal="margin", contribution=-0.35),
        Evidence(signal="stable_rank", contribution=0.2),
    )
