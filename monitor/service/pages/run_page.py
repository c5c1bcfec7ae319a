"""One run: the verdict, what it rests on, and its course."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.records import Assessment, SignalInfo, signal_of
from grokwatch.monitor.service.pages.asked import Asked, run_in_path
from grokwatch.monitor.service.pages.error_pages import missing
from grokwatch.monitor.service.pages.rendering import Renderer
from grokwatch.monitor.service.ports import Reader

MOST_SIGNALS = 4
ALWAYS_DRAWN = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
_TOLD_FIRST = (
    "gini_coefficient",
    "inverse_participation_ratio",
    "coordinate_gini_coefficient",
    "irrep_gini_coefficient",
    "fourier_entropy",
    "weight_norm",
)
_MOST_ALERTS = 100


def run_route(reader: Reader, render: Renderer, *, can_resend: bool) -> HTTPRouteHandler:
    """Build the route of one run."""

    @get("/runs/{run_id:path}", sync_to_thread=True, include_in_schema=False)
    def run(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = run_in_path(request)
        revision = reader.revision(name)
        detail = reader.run(name)
        if detail is None:
            return missing(render, f"No run has the id {name}.")
        latest = reader.newest_assessment(name)
        keys = [key for key in detail.keys if key not in ALWAYS_DRAWN]
        return render(
            "run.html",
            revision=revision,
            has_charts=True,
            detail=detail,
            run=detail.run,
            assessment=latest,
            evidence=explain(latest, detail.signals),
            alerts=reader.alerts(run_id=name, limit=_MOST_ALERTS).alerts,
            keys=keys,
            summaries=summaries(keys, detail.signals),
            chosen=Asked.of(request).texts("signal", MOST_SIGNALS) or first_signals(keys),
            can_resend=can_resend,
        )

    return run


def explain(
    assessment: Assessment | None, signals: Sequence[SignalInfo]
) -> list[dict[str, str | float]]:
    """What spoke for and against grokking, the strongest first, with what each signal is."""
    if assessment is None:
        return []
    known = {signal.name: signal.summary for signal in signals}
    strongest = sorted(assessment.evidence, key=lambda each: -abs(each.contribution))
    largest = max((abs(each.contribution) for each in strongest), default=0.0)
    return [
        {
            "signal": each.signal,
            "summary": known.get(each.signal) or known.get(signal_of(each.signal), ""),
            "contribution": each.contribution,
            "largest": largest,
        }
        for each in strongest
    ]


def summaries(keys: Sequence[str], signals: Sequence[SignalInfo]) -> dict[str, str]:
    """Key -> what it is, with its unit, as far as the run's start said."""
    known = {signal.name: signal for signal in signals}
    told = {}
    for key in keys:
        signal = known.get(key) or known.get(signal_of(key))
        if signal is not None:
            unit = f" [{signal.unit}]" if signal.unit not in {"", "-"} else ""
            told[key] = f"{signal.summary}{unit}"
    return told


def first_signals(keys: Sequence[str]) -> tuple[str, ...]:
    """Signals to draw where nobody chose: structure first, then the weight norm."""
    found = [key for name in _TOLD_FIRST for key in keys if signal_of(key) == name][:1]
    norms = [key for key in keys if signal_of(key) == "weight_norm"][:1]
    return tuple(dict.fromkeys([*found, *norms])) or tuple(keys[:2])
