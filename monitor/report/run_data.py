"""What the report of a run shows, read off its records."""

from collections.abc import Iterable, Sequence

import msgspec

from grokwatch.monitor.records import AnyRecord, RunStarted, SkippedSignal, signal_of
from grokwatch.monitor.report.course import Course, Courses
from grokwatch.monitor.report.events import AlertLife, Marker, Span, lives, markers, spans
from grokwatch.monitor.report.facts import Fact, cost_points, facts, hyper_parameters
from grokwatch.monitor.report.headline import headline, reasons, weighing
from grokwatch.monitor.report.missing import Missing, missing
from grokwatch.monitor.report.signal_charts import Family, signal_families, signal_keys
from grokwatch.monitor.report.standing import standing
from grokwatch.monitor.report.terms import TERMS
from grokwatch.monitor.report.verdict import Verdict, judge
from grokwatch.monitor.report.words import instant
from grokwatch.monitor.story import Story, newest, read_story
from grokwatch.monitor.text import in_one_line

_MAIN = 13


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal said in the judgement that is shown; `share` is of the loudest."""

    signal: str
    summary: str
    contribution: float
    share: float


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page of a run shows.

    `steps` are the lists of steps that courses point at. `series` are courses by name: accuracies,
    losses, `rise`, `passing`, `least` and `most` of the chances, `expected_low` and
    `expected_high`, `cost`. `weights` is the report of the weight frames, None where there are
    none.
    """

    name: str
    run_id: str
    about: str
    headline: str
    verdict: Verdict
    reasons: tuple[str, ...]
    facts: tuple[Fact, ...]
    markers: tuple[Marker, ...]
    steps: tuple[tuple[int, ...], ...]
    series: dict[str, Course | None]
    stages: tuple[Span, ...]
    families: tuple[Family, ...]
    alerts: tuple[AlertLife, ...]
    evidence: tuple[Weighed, ...]
    weighed: str
    hyper_parameters: tuple[tuple[str, str], ...]
    skipped: tuple[SkippedSignal, ...]
    guesses: tuple[str, ...]
    versions: tuple[str, ...]
    missing: tuple[Missing, ...]
    terms: dict[str, str]
    remarks: tuple[str, ...] = ()
    weights: object = None

    def lacks(self, part: str) -> str:
        """The sentence that stands in the place of a part; empty where it has data."""
        return next((each.sentence for each in self.missing if each.part == part), "")


def run_report(
    records: Sequence[AnyRecord], *, remarks: Sequence[str] = (), weights: object = None
) -> RunReport:
    """Read off records what the page of their run shows.

    Args:
        records: of one run, in order; what a later attempt trained again replaces the first.
        remarks: sentences on the records.
        weights: the report of the weight frames.

    Returns:
        The data; every text of others in one line.
    """
    kept = newest(records)
    story = read_story(kept)
    started, stands = _start(story, kept), standing(kept, story)
    courses = Courses(len(signal_keys(story)) + _MAIN)
    series = {name: courses.add(points) for name, points in _main(story).items()}
    families = signal_families(story, courses)
    return RunReport(
        name=_line(started.name or started.run_id or "a run without records"),
        run_id=_line(started.run_id),
        about=_about(story, stands.status, stands.message),
        headline=headline(story),
        verdict=_said(judge(stands)),
        reasons=_lines(reasons(story)),
        facts=facts(story, stands),
        markers=markers(story),
        steps=tuple(courses.steps),
        series=series,
        stages=spans(story),
        families=families,
        alerts=lives(story),
        evidence=_evidence(story),
        weighed=_weighed(story),
        hyper_parameters=hyper_parameters(started),
        skipped=_skipped(started.skipped),
        guesses=_lines(started.guesses),
        versions=_lines(f"{name} {version}" for name, version in sorted(started.versions.items())),
        missing=missing(story, num_lost=courses.num_lost, has_weights=weights is not None),
        terms=TERMS,
        remarks=_lines(remarks),
        weights=weights,
    )


def _main(story: Story) -> dict[str, list[tuple[int, float | None]]]:
    """Points of what every run has a chart for."""
    seen, tested, said = story.observations, story.evaluations, story.assessments
    chances = [(each.step, [c.probability for c in each.chances]) for each in said]
    eta = [(each.step, each.eta_steps) for each in said]
    return {
        "train_accuracy": [(each.step, each.train_accuracy) for each in seen],
        "test_accuracy": [(each.step, each.test_accuracy) for each in tested],
        "train_loss": [(each.step, each.train_loss) for each in seen],
        "test_loss": [(each.step, each.test_loss) for each in tested],
        "rise": [(each.step, each.rise_probability) for each in said],
        "passing": [(each.step, each.probability) for each in said],
        "least": [(step, min(found, default=None)) for step, found in chances],
        "most": [(step, max(found, default=None)) for step, found in chances],
        "expected_low": [(step, step + found.low) for step, found in eta if found],
        "expected_high": [
            (step, step + found.high) for step, found in eta if found and found.high is not None
        ],
        "cost": cost_points(story),
    }


def _evidence(story: Story) -> tuple[Weighed, ...]:
    judged = weighing(story)
    if judged is None:
        return ()
    known = {each.name: each.summary for each in (story.started.signals if story.started else ())}
    strongest = sorted(judged.evidence, key=lambda each: -abs(each.contribution))
    loudest = max(abs(each.contribution) for each in strongest)
    return tuple(
        Weighed(
            signal=_line(each.signal),
            summary=_line(known.get(signal_of(each.signal), "")),
            contribution=each.contribution,
            share=each.contribution / loudest if loudest > 0 else 0.0,
        )
        for each in strongest
    )


def _weighed(story: Story) -> str:
    judged = weighing(story)
    return "" if judged is None else _line(f"At step {judged.step:,}, by {judged.predictor}")


def _about(story: Story, status: str, message: str) -> str:
    """How the run began and ended, in words."""
    began = f"begun {instant(story.started.time)}" if story.started and story.started.time else ""
    ended = {
        "running": "no end recorded: it goes on, or was killed",
        "finished": "finished",
    }.get(status, status)
    return ", ".join(part for part in (began, ended, _line(message)) if part)


def _said(verdict: Verdict) -> Verdict:
    """The verdict, its words in one line: a predictor's reason is text of others."""
    return Verdict(
        tone=verdict.tone,
        mark=verdict.mark,
        word=verdict.word,
        detail=_line(verdict.detail),
        advice=verdict.advice,
    )


def _skipped(found: Sequence[SkippedSignal]) -> tuple[SkippedSignal, ...]:
    return tuple(
        SkippedSignal(name=_line(s.name), reason=_line(s.reason), remedy=_line(s.remedy))
        for s in found
    )


def _start(story: Story, kept: Sequence[AnyRecord]) -> RunStarted:
    """How the run began; where its records do not say, a start that says nothing."""
    return story.started or RunStarted(run_id=kept[0].run_id if kept else "", time=0.0)


def _lines(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_line, texts))


def _line(text: str) -> str:
    return in_one_line(text)
