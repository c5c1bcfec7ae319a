import itertools
import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.alerts import hook_name
from grokwatch.monitor.alerts._text import certainty, text, title
from grokwatch.monitor.notice import Moved, Notice, payload
from grokwatch.monitor.records import Assessment, Interval
from tests.receivers import JUDGED, NOTICE

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=50)
ANY_TIME = st.floats() | st.integers(-(10**18), 10**18).map(float)


def changed(**changes: Any) -> Notice:
    return msgspec.structs.replace(NOTICE, alert=msgspec.structs.replace(NOTICE.alert, **changes))


def judged(**changes: Any) -> Assessment:
    return msgspec.structs.replace(JUDGED, **changes)


@given(ANY_TEXT, ANY_TIME, st.floats())
def test_any_text_and_time_make_a_payload(words: str, time: float, value: float) -> None:
    notice = msgspec.structs.replace(
        changed(run_id=words, message=words, time=time, assessment=judged(predictor=words)),
        name=words,
        moved=(Moved(signal=words, contribution=value),),
        links={words: words},
    )
    found = json.loads(payload(notice).decode())
    assert found["timestamp"].endswith("+00:00")
    assert len(found["data"]["name"]) == len(words)
    assert payload(notice, most_bytes=20_000) == payload(notice)
    assert title(notice).isprintable()
    assert text(notice).replace("\n", " ").isprintable()


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, 1e300, 253402300800.0])
def test_a_clock_that_says_nonsense_says_the_epoch(time: float) -> None:
    assert json.loads(payload(changed(time=time)))["timestamp"] == "1970-01-01T00:00:00+00:00"


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    found = json.loads(payload(changed(message="a\ud800b\udfffc")))
    assert found["data"]["message"] == "a\ufffdb\ufffdc"


@pytest.mark.parametrize("size", [10_000, 20_000])
@pytest.mark.parametrize("character", ["x", "\0", "\N{GRINNING FACE}"])
def test_a_payload_is_cut_to_any_size_from_ten_thousand_bytes(size: int, character: str) -> None:
    for count in (200, 2000, 5000, 50_000):
        words = character * count
        notice = msgspec.structs.replace(
            changed(run_id=words, message=words, assessment=judged(predictor=words)),
            name=words,
            moved=tuple(Moved(signal=words, contribution=1.0) for _ in range(50)),
            links={f"{n}{words[:n]}": words[: 10 * n] for n in range(50)},
        )
        assert len(payload(notice, most_bytes=size)) <= size


def test_an_alert_without_assessment_is_cut_too() -> None:
    notice = changed(message="x" * 30_000, assessment=None)
    assert json.loads(payload(notice, most_bytes=20_000))["data"]["message"] == "x" * 2000


def test_a_text_says_why_it_cannot_tell() -> None:
    reason = judged(chances=(), rising=(), reason="too soon")
    assert certainty(reason) == "It cannot tell: too soon (hazard@2)."


def test_a_text_names_one_probability_where_there_is_one() -> None:
    told = certainty(judged(rising=()))
    assert told == "Probability 0.71 within 10,000 steps of generalising (hazard@2)."


def test_a_text_says_no_more_than_is_known() -> None:
    bare = Notice(alert=msgspec.structs.replace(NOTICE.alert, assessment=None, message="a: on."))
    assert text(bare) == "a: on."
    assert title(bare).endswith("(a)")
    told = text(changed(assessment=judged(eta_steps=Interval(low=5, high=None))))
    assert "Expected in 5 steps or more from step 1,660." in told
    assert "Expected" not in text(changed(assessment=judged(eta_steps=None)))


TARGETS = [
    "webhook:https://hooks.example.com/c4n4ry",
    "webhook:https://hooks.example.com/c4n4ry2,secret=env:S",
    "webhook:https://hooks.example.com?c4n4ry",
    "webhook:https://ann:c4n4ry@hooks.example.com/x",
    "webhook:c4n4ry",
    "apprise:slack://c4n4ry/c4n4ry",
    "apprise:mailto://ann:c4n4ry@example.com",
    "apprise:c4n4ry",
    'command:["/usr/bin/notify","--token","c4n4ry"]',
    'command:["/usr/bin/notify","--token","c4n4ry2"]',
    "command:c4n4ry",
]


def test_names_of_hooks_hide_what_may_be_secret_and_stay_apart() -> None:
    names = [hook_name(target) for target in TARGETS]
    assert not [name for name in names if "c4n4ry" in name]
    assert not [pair for pair in itertools.combinations(names, 2) if pair[0] == pair[1]]
    assert names[0].startswith("webhook:https://hooks.example.com#")
    assert names[5].startswith("apprise:slack://#")
    assert names[8].startswith("command:/usr/bin/notify#")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("log:", "log:"),
        ("function:alarms:ring", "function:alarms:ring"),
        ("webhook:env:HOOK,secret=env:S", "webhook:env:HOOK"),
        (
            "alertmanager:http://alertmanager:9093,allow=private",
            "alertmanager:http://alertmanager:9093",
        ),
        ("webhook:https://[2606:4700::1111]:8443", "webhook:https://[2606:4700::1111]:8443"),
    ],
)
def test_what_is_no_secret_stays_in_the_name_of_a_hook(target: str, name: str) -> None:
    assert hook_name(target) == name
