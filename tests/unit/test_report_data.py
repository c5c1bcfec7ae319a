import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, signal_of
from grokwatch.monitor.report.course import ALL_POINTS, MOST_POINTS, Courses
from grokwatch.monitor.report.families import FAMILIES, OTHERS, grouped
from grokwatch.monitor.report.packing import Kind, Packed, pack
from grokwatch.monitor.report.run_data import RunReport, run_report
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus
from tests.report_runs import (
    RUN,
    STEPS,
    WARNED,
    alerted,
    ended,
    evaluated,
    going,
    grokked,
    judged,
    observed,
    start,
)


def unpacked(packed: Packed) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """As the script does it."""
    import base64

    whole = np.frombuffer(base64.b64decode(packed.data), dtype=f"<{packed.dtype}")
    values = whole.astype(np.float64) * packed.scale
    lost = {"i1": -128, "i2": -32768}.get(packed.dtype)
    if lost is not None:
        values[whole == lost] = np.nan
    return values.reshape(packed.shape)


def points(report: RunReport, name: str) -> list[tuple[int, float]]:
    course = report.series[name]
    assert course is not None
    return list(zip(report.steps[course.at], unpacked(course.values).tolist(), strict=True))


def parts(report: RunReport) -> set[str]:
    return {each.part for each in report.missing}


@given(
    st.lists(
        st.floats(-(2.0**100), 2.0**100, width=32) | st.just(math.nan) | st.just(math.inf),
        max_size=30,
    ),
    st.sampled_from(["i1", "i2", "f4"]),
)
def test_what_is_packed_is_unpacked_as_exactly_as_its_kind_says(
    values: list[float], kind: Kind
) -> None:
    packed = pack(values, kind)
    finite = [value for value in values if math.isfinite(value)]
    most = max(map(abs, finite), default=0.0)
    slack = {"i1": most / 127, "i2": most / 32_767, "f4": 0.0}[kind]
    for value, back in zip(values, unpacked(packed).tolist(), strict=True):
        if math.isfinite(value):
            assert abs(value - back) <= slack * 0.501
        else:
            assert math.isnan(back)


def test_an_array_keeps_its_shape() -> None:
    assert pack(np.zeros((2, 3)), "i1").shape == (2, 3)
    assert unpacked(pack(np.arange(6.0).reshape(2, 3), "f4")).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_long_course_is_thinned_without_losing_a_peak_or_an_end() -> None:
    values = [0.0] * 100_000
    values[31_415], values[27_182] = 9.0, -9.0
    courses = Courses(1)
    course = courses.add(list(enumerate(values)))
    assert course is not None
    steps, kept = courses.steps[0], unpacked(course.values)
    assert len(steps) <= MOST_POINTS
    assert (steps[0], steps[-1], kept.max(), kept.min()) == (0, 99_999, 9.0, -9.0)


def test_many_courses_share_the_points_of_a_page() -> None:
    courses = Courses(300)
    for shift in range(300):
        courses.add([(step, math.sin(step + shift)) for step in range(3_000)])
    assert sum(map(len, courses.steps)) <= ALL_POINTS


def test_courses_over_the_same_steps_share_them() -> None:
    courses = Courses(2)
    both = [courses.add([(1, 2.0), (5, value)]) for value in (3.0, math.nan)]
    assert [course.at for course in both if course] == [0, 0]
    assert (courses.steps, courses.num_lost, courses.add([(1, None)])) == ([(1, 5)], 1, None)


def test_every_signal_has_a_family() -> None:
    known = {name for names in FAMILIES.values() for name in names}
    assert {signal.name for signal in ALL} <= known
    assert len(known) == sum(map(len, FAMILIES.values()))
    assert grouped(["of_somebody_else@x"]) == {OTHERS: {"of_somebody_else": ["of_somebody_else@x"]}}
    assert signal_of(next(iter(grouped(["weight_norm@input"])["Weights"]))) == "weight_norm"


def test_a_run_that_generalised_is_told_in_one_sentence() -> None:
    report = run_report(grokked())
    assert (
        report.headline == "Memorised at 300; warned at 2,700 with p = 0.91; generalised at 7,600."
    )
    assert report.verdict.word == "generalised"
    assert "Lead: 2,300 steps before test accuracy began to rise." in report.reasons
    assert report.reasons[-1] == (
        "At step 2,700 there spoke for it fourier_entropy@input (+0.90), "
        "against it weight_norm (-0.30)."
    )
    assert parts(report) == {"weights"}


def test_a_run_that_goes_on_is_told_to_keep() -> None:
    report = run_report(going())
    assert report.headline.replace("\N{NO-BREAK SPACE}", " ") == (
        "Memorised at 300; warned at 2,700 with p = 0.91; not generalised, at 3 % on test data by "
        "4,000."
    )
    assert (report.verdict.tone, report.verdict.word) == ("keep", "keep")
    assert "goes on, or was killed" in report.about


def test_a_run_that_will_not_generalise_within_its_budget_may_be_killed() -> None:
    told: dict[str, Any] = {"code": AlertCode.WILL_NOT_GROK, "id": "b"}
    quiet = [r for r in going() if getattr(r, "id", "") != "f" * 32]
    report = run_report([*quiet, alerted(3000, **told)])
    assert "no warning; called unlikely within its budget at 3,000" in report.headline
    assert report.verdict.word == "stop is defensible"
    over = run_report(
        [*quiet, alerted(3000, **told), alerted(4000, AlertState.CONFIRMED, **told), ended()]
    )
    assert (over.verdict.tone, over.verdict.word) == ("stop", "ended")


def test_a_predictor_that_cannot_tell_says_why() -> None:
    silent = [
        judged(step, chances=(), rising=(), evidence=(), reason="no structure") for step in STEPS
    ]
    report = run_report([start(), *map(observed, STEPS), *silent])
    assert "the predictor could not tell" in report.headline
    assert report.verdict.word == "cannot tell"
    assert report.lacks("chance") == "The predictor could not tell at any step: no structure."


def test_a_collapse_and_a_relapse_are_told() -> None:
    high = [evaluated(step, test_accuracy=0.99) for step in range(2000, 4000, 100)]
    low = [evaluated(step, test_accuracy=0.3) for step in range(4000, 6000, 100)]
    back = [evaluated(step, test_accuracy=0.99) for step in range(6000, 8100, 100)]
    flat = [evaluated(step) for step in range(100, 2000, 100)]
    fallen = run_report([start(), *map(observed, STEPS), *flat, *high, *low])
    assert fallen.headline.endswith("generalised at 2,000, collapsed.")
    risen = run_report([start(), *map(observed, STEPS), *flat, *high, *low, *back])
    assert risen.headline.endswith("generalised at 2,000, collapsed, then came back.")


def test_a_warning_that_was_taken_back_is_told_so() -> None:
    report = run_report([*going(), alerted(3900, AlertState.CLEARED)])
    assert "warned at 2,700 with p = 0.91, taken back at 3,900" in report.headline
    assert [each.label for each in report.markers] == ["memorised", "warning", "GRK001 ends"]
    assert report.alerts[0].states == (("firing", 2700), ("cleared", 3900))


def test_markers_come_by_step() -> None:
    kinds = [(each.step, each.kind) for each in run_report(grokked()).markers]
    assert kinds == [(300, "memorization"), (2700, "warning"), (5000, "onset"), (7600, "grokking")]


def test_stages_end_where_the_evaluations_say_that_it_generalised() -> None:
    spans = [(each.word, each.first, each.last) for each in run_report(grokked()).stages]
    assert spans == [
        ("memorised", 100, WARNED),
        ("structure forming", WARNED, 7600),
        ("generalised", 7600, 8000),
    ]


def test_chances_have_a_band_and_the_interval_stands_at_its_steps() -> None:
    report = run_report(grokked())
    assert points(report, "rise")[-1][0] == 8000
    assert points(report, "rise")[-1][1] == pytest.approx(0.91, abs=1e-6)
    assert points(report, "most")[-1][1] > points(report, "passing")[-1][1]
    assert points(report, "expected_low")[0] == (100, 1100.0)
    assert points(report, "expected_high")[0] == (100, 9100.0)


def test_what_a_rewind_trained_again_replaces_the_first() -> None:
    again = [
        msgspec.structs.replace(observed(step, train_loss=7.0), attempt=2) for step in (7900, 8000)
    ]
    report = run_report([*grokked(), *again])
    assert [value for _, value in points(report, "train_loss")][-2:] == [7.0, 7.0]
    assert "goes on, or was killed" in report.about


def test_what_watching_cost_is_a_share_of_the_time() -> None:
    cost = {fact.label: fact for fact in run_report(grokked()).facts}["Cost of watching"]
    assert cost.value.replace("\N{NO-BREAK SPACE}", " ") == "0.00 %"
    assert cost.note == "of the time: 0.08 s in 80 observations"
    dear = [observed(step, cost_seconds=25.0) for step in STEPS]
    assert points(run_report([start(), *dear]), "cost")[-1] == (8000, 0.25)


def resumed(records: list[Any], seconds: float) -> list[AnyRecord]:
    """The same in a second attempt, so much later."""
    return [
        msgspec.structs.replace(record, attempt=2, time=record.time + seconds) for record in records
    ]


def test_the_time_between_two_attempts_is_no_time_of_training() -> None:
    first = [observed(step, cost_seconds=25.0) for step in STEPS[:40]]
    second = [observed(step, cost_seconds=25.0) for step in STEPS[40:]]
    report = run_report([start(), *first, *resumed([start(), *second], 1e6)])
    assert points(report, "cost")[-1] == (8000, 0.25)


def test_a_run_that_was_given_more_steps_is_told_with_them() -> None:
    first: list[AnyRecord] = [start(), *map(observed, STEPS[:40])]
    more: list[AnyRecord] = [
        start(budget_steps=20_000, hyper_parameters={"lr": 0.1}),
        *map(observed, STEPS[40:]),
    ]
    report = run_report([*first, *resumed(more, 1e6)])
    assert {fact.label: fact.note for fact in report.facts}["Last step"] == "of 20,000"
    assert report.hyper_parameters == (("lr", "0.1"),)
    assert report.about.startswith("begun 2023-11-14")


def test_a_training_that_never_began_leaves_what_the_first_said() -> None:
    nothing: list[Any] = [
        start(name="again", signals=(), budget_steps=None),
        ended(RunStatus.FAILED),
    ]
    before = {fact.label: fact.note for fact in run_report([*grokked()]).facts}
    report = run_report(
        [
            *grokked(),
            *resumed(
                [msgspec.structs.replace(r, step=0) if hasattr(r, "step") else r for r in nothing],
                1e6,
            ),
        ]
    )
    assert {fact.label: fact.note for fact in report.facts} == before
    assert "Memorised at 300" in report.headline
    assert report.about.endswith("failed")


def test_a_reason_of_others_is_one_line() -> None:
    silent = [
        judged(step, chances=(), rising=(), reason="no\x1b\n\u202estructure") for step in STEPS
    ]
    report = run_report([start(), *map(observed, STEPS), *silent])
    assert report.lacks("chance") == "The predictor could not tell at any step: no structure."


@pytest.mark.parametrize(
    ("records", "lacking", "sentence"),
    [
        ([], {"course", "start", "chance", "eta", "cost", "signals", "weights"}, "Nothing was"),
        ([start()], {"course", "chance", "eta", "cost", "signals", "weights"}, "Nothing was"),
        (
            [start(), observed(100)],
            {"course", "test", "chance", "eta", "weights"},
            "one observation",
        ),
        (
            [
                start(),
                *(observed(s, train_accuracy=None, values={}, cost_seconds=0) for s in STEPS),
            ],
            {"accuracy", "test", "chance", "eta", "cost", "signals", "weights"},
            "No signal was measured",
        ),
        (
            [start(), *(observed(s, values={"weight_norm": 1.0}) for s in STEPS)],
            {"test", "chance", "eta", "probe", "weights"},
            "No probe was given",
        ),
        (
            [start(), *map(evaluated, STEPS)],
            {"train", "chance", "eta", "cost", "signals", "weights"},
            "only evaluations",
        ),
    ],
)
def test_what_is_missing_is_said(
    records: list[AnyRecord], lacking: set[str], sentence: str
) -> None:
    report = run_report(records)
    assert parts(report) == lacking
    assert any(sentence in each.sentence for each in report.missing)
    assert report.headline.endswith(".")


def test_values_that_are_not_finite_are_gaps_and_are_counted() -> None:
    bad = [
        observed(step, train_loss=math.inf, values={"weight_norm": math.nan, "x": -math.inf})
        for step in STEPS[:3]
    ]
    worse = Evaluation(run_id=RUN, step=50, time=0.0, test_accuracy=math.nan, test_loss=math.nan)
    report = run_report([start(), *bad, *map(observed, STEPS[3:]), worse])
    assert report.lacks("values").startswith("11 values are NaN or infinite")
    assert math.isnan(points(report, "train_loss")[0][1])


def test_how_a_run_failed_is_told() -> None:
    assert run_report([*going(), ended(RunStatus.FAILED, "out of\nmemory")]).about.endswith(
        "failed, out of memory"
    )


def test_a_hundred_thousand_observations_of_a_million_steps_stay_small() -> None:
    many = [
        Observation(
            run_id=RUN, step=10 * at, time=float(at), train_loss=1.0, values={"a": float(at % 7)}
        )
        for at in range(1, 100_001)
    ]
    report = run_report([start(), *many])
    assert report.steps[0][-1] == 1_000_000
    assert len(msgspec.json.encode(report)) < 200_000
