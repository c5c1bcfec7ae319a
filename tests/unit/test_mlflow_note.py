import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.records import RunStarted, SignalInfo, SkippedSignal
from grokwatch.monitor.sinks.mlflow_note import escaped, headline, is_ours, note
from grokwatch.monitor.sinks.sections import SECTIONS

STARTED = RunStarted(
    run_id="a",
    time=0.0,
    signals=(SignalInfo(name="weight_norm", unit="", summary="How long."),),
    skipped=(
        SkippedSignal(name="sharpness", reason="no loss", remedy="give one"),
        SkippedSignal(name="hessian_trace", reason="no loss", remedy="give one"),
    ),
    guesses=("`head` is taken for the output",),
)
TAGS = {"grokwatch.run_id": "a/b", "grokwatch.stage": "plateau", "grokwatch.status": "running"}


def written(tags: dict[str, str], page: str = "") -> str:
    return note(tags, started=STARTED, before="", page=page)


def alert(code: str, state: str, message: str = "") -> dict[str, str]:
    name = f"grokwatch.alert.{code}"
    return {name: state, f"{name}.step": "1200", f"{name}.message": message}


GROKKED = {"grokwatch.phase": "grokking", "grokwatch.grokking_step": "4467"}
STATES = {
    "still fitting the training data": {"grokwatch.stage": "fitting"},
    "likely to generalise if training goes on (GRK001, step 1,200)": alert("GRK001", "firing"),
    "unlikely to generalise within the budget (GRK002, step 1,200)": {
        **alert("GRK001", "cleared"),
        **alert("GRK002", "firing"),
    },
    "generalised long after it memorised: test accuracy passed 95 % at step 4,467": {
        **GROKKED,
        **alert("GRK001", "confirmed"),
    },
    "generalisation is collapsing (GRK003, step 1,200)": {**GROKKED, **alert("GRK003", "firing")},
    "learning has stalled for numerical reasons (GRK004, step 1,200)": alert("GRK004", "firing"),
    "nothing was judged yet": {"grokwatch.stage": "?", "grokwatch.phase": "-"},
}


@pytest.mark.parametrize("said", STATES)
def test_the_headline_says_what_is_to_be_known_first(said: str) -> None:
    assert headline(TAGS | STATES[said]).casefold() == f"{said}. training goes on.".casefold()


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("finished", "Training is over."),
        ("failed", "Training failed."),
        ("interrupted", "Training was interrupted."),
    ],
)
def test_of_a_run_that_is_over_the_headline_says_what_became_of_it(status: str, end: str) -> None:
    tags = TAGS | {"grokwatch.phase": "memorization", "grokwatch.status": status}
    tags |= alert("GRK002", "confirmed")
    said = "Memorised and did not generalise within the steps trained."
    assert headline(tags) == f"{said} {end}"


def test_what_was_measured_is_said_once_for_each_reason() -> None:
    text = written(TAGS)
    assert "1 signal: `weight_norm`." in text
    assert "- `sharpness`, `hessian_trace`: no loss. Give one" in text
    assert "- &#96;head&#96; is taken for the output" in text


def test_what_was_measured_is_kept_where_the_start_was_told_before() -> None:
    first = written(TAGS)
    second = note(TAGS | GROKKED, started=None, before=first, page="")
    assert "passed 95 % at step 4,467" in second
    assert second.partition("<!-- what")[2] == first.partition("<!-- what")[2]
    assert "### How to read this" in note(TAGS, started=None, before="", page="")


def test_steps_and_alerts_are_listed() -> None:
    tags = {**TAGS, **GROKKED, **alert("GRK001", "confirmed", "a/b: warned at step 792")}
    text = written(tags | {"grokwatch.memorized_step": "151", "grokwatch.onset_step": "-"})
    assert "Memorised at step 151, test accuracy passed 95 % at step 4,467." in text
    assert "- GRK001, confirmed at step 1,200: warned at step 792" in text


def test_the_page_of_the_service_is_linked_if_it_is_on_the_web() -> None:
    assert "service](https://watch.test/x/runs/a%2Fb)" in written(TAGS, "https://watch.test/x/")
    assert "](" not in written(TAGS, "javascript:alert(1)")
    assert written(TAGS, "https://w.test/)[x](http://evil.test").count("](") == 1


def test_a_text_of_somebody_else_is_not_ours_to_replace() -> None:
    assert is_ours("")
    assert is_ours(" \n")
    assert is_ours(written(TAGS))
    assert not is_ours("my own words")


@given(st.text())
def test_text_of_others_has_no_markup(text: str) -> None:
    assert not set(escaped(text)) & set("<>*_`[]|~\\/@:{}")
    assert "www." not in escaped(text + "www.x").casefold()


@given(st.text(), st.text(), st.integers(1, 60))
def test_any_run_makes_a_description_that_mlflow_keeps(name: str, text: str, count: int) -> None:
    skipped = [
        SkippedSignal(name=name, reason=f"{n} {text}" * 50, remedy=text) for n in range(count)
    ]
    started = RunStarted(run_id="a", time=0.0, skipped=tuple(skipped), guesses=(text,) * count)
    whole = note(TAGS, started=started, before="", page="")
    assert len(whole) <= 8_000
    assert is_ours(whole)


def test_the_description_names_sections_that_there_are() -> None:
    text = written(TAGS)
    assert all(f"`{section}`" in text for section in ("grokwatch", "grokwatch cost"))
    assert {"grokwatch", "grokwatch cost"} <= set(SECTIONS)
