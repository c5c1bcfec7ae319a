import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from grokwatch.monitor.report.words import (
    UNKNOWN,
    ago,
    code_sentence,
    instant,
    interval,
    number,
    percent,
    run_address,
    stage_sentence,
    stage_word,
    thousands,
    web_address,
)
from grokwatch.monitor.service.pages.bars import balance, bar
from grokwatch.monitor.service.pages.sparkline import HEIGHT, WIDTH, sparkline
from grokwatch.monitor.vocabulary import Stage


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    said = [thousands(None), percent(None), percent(math.nan), number(None), interval(None, None)]
    assert set(said) == {UNKNOWN}
    assert {stage_word(None), instant(None), instant(math.inf), ago(math.nan, 0.0)} == {UNKNOWN}


def test_nearly_sure_is_not_sure() -> None:
    assert [percent(p) for p in (0.0, 0.001, 0.999, 1.0)] == [
        "0\xa0%",
        "<1\xa0%",
        ">99\xa0%",
        "100\xa0%",
    ]


def test_steps_have_their_thousands_apart() -> None:
    assert thousands(1_234_567) == "1,234,567"
    assert interval(1_000, None) == "1,000 or more"


def test_numbers_keep_four_digits_and_words_stay_as_they_are() -> None:
    assert number(0.1 + 0.2) == "0.3"
    assert number(1e300) == "1e+300"
    assert number(math.inf) == "inf"
    assert number(False) == "no"
    assert number("adam<b>") == "adam<b>"


@pytest.mark.parametrize(
    ("past", "said"),
    [(-30, "just now"), (4, "just now"), (59, "59 s ago"), (7_300, "2 h ago"), (1e6, "11 d ago")],
)
def test_times_are_told_in_their_largest_unit(past: float, said: str) -> None:
    assert ago(2e9 - past, 2e9).replace("\xa0", " ") == said


def test_every_stage_has_a_word_and_a_sentence_and_unknown_ones_stay() -> None:
    for stage in Stage:
        assert stage_sentence(stage.value) == stage.sentence
        assert stage_word(stage.value)
    assert stage_word("later") == stage_sentence("later") == "later"
    assert stage_sentence(None) == "nothing was measured yet"
    assert code_sentence("GRK999") == "GRK999"


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        "javascript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "https:",
        "http://[broken",
        "file:///etc/passwd",
    ],
)
def test_only_addresses_of_the_web_become_links(link: str | None) -> None:
    assert web_address(link) is None


@given(some.text(min_size=1))
def test_an_address_of_a_run_has_nothing_that_ends_it(run_id: str) -> None:
    encodable = run_id.encode("utf-8", "ignore").decode()
    rest = run_address(encodable).removeprefix("/runs/")
    assert not set(rest) & set("/?#\"'<> ")


def test_a_sparkline_breaks_where_a_value_is_missing() -> None:
    drawn = sparkline([0.1, 0.2, None, 0.9, math.nan, 1.0])
    line = drawn.partition('class="spark-line" d="')[2].partition('"')[0]
    assert line.count("M") == 3
    assert "from 10\xa0% to 100\xa0%" in drawn


@given(some.lists(some.floats(allow_nan=True, allow_infinity=True) | some.none(), max_size=50))
def test_a_sparkline_stays_inside_its_box(values: list[float | None]) -> None:
    drawn = sparkline(values)
    line = drawn.partition('class="spark-line" d="')[2].partition('"')[0]
    points = [pair.split() for pair in line.replace("L", "M").split("M") if pair]
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)
    assert bool(points) is any(v is not None and math.isfinite(v) for v in values)


def test_bars_are_as_long_as_what_they_show() -> None:
    assert bar(None) == bar(math.inf) == ""
    assert 'class="bar-share" width="100"' in bar(1.7)
    assert 'class="for" x="50" width="50"' in balance(2.0, 2.0)
    assert 'class="against" x="50" width="0"' in balance(math.nan, 2.0)
    assert 'width="0"' in balance(1.0, 0.0)
