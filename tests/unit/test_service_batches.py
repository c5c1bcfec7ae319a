import json
import math
import struct
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunStarted
from grokwatch.monitor.service.api.batches import JSON, MESSAGE_PACK, read_batch
from grokwatch.monitor.service.api.depth import is_too_deep
from grokwatch.monitor.service.checking import MOST_RECORDS
from grokwatch.monitor.service.identity import clean_name, is_run_id
from grokwatch.monitor.service.views import Batch
from grokwatch.monitor.wire import to_json
from tests.service_web import observed, started

ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF4_0000_0000_1234))[0]


def as_json(*records: AnyRecord, **rest: object) -> bytes:
    return json.dumps({"records": [json.loads(to_json(each)) for each in records], **rest}).encode()


def as_message_pack(*records: AnyRecord) -> bytes:
    return msgspec.msgpack.encode(Batch(records=records))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308])
def test_floats_of_every_kind_arrive(value: float) -> None:
    sent = observed(train_loss=value, values={"x": value})
    for batch in (read_batch(JSON, as_json(sent)), read_batch(MESSAGE_PACK, as_message_pack(sent))):
        got = batch.records[0]
        assert isinstance(got, Observation)
        assert bits(got.train_loss) == bits(got.values["x"]) == bits(value)


def test_message_pack_keeps_every_bit_of_a_nan() -> None:
    got = read_batch(MESSAGE_PACK, as_message_pack(observed(train_loss=ODD_NAN))).records[0]
    assert isinstance(got, Observation)
    assert bits(got.train_loss) == bits(ODD_NAN)


def test_a_batch_says_what_was_sent_before_it() -> None:
    assert read_batch(JSON, as_json(observed(), after=1)).after == 1
    assert read_batch(JSON, as_json(observed())).after is None


def test_names_are_cleaned_and_everything_else_is_kept() -> None:
    record = started(name="a\u202e<b>\n" + "x" * 300, group="g\0", versions={"v": "\n"})
    got = read_batch(MESSAGE_PACK, as_message_pack(record)).records[0]
    assert isinstance(got, RunStarted)
    assert got.name == ("a<b>" + "x" * 300)[:256]
    assert (got.group, got.versions) == ("g", {"v": "\n"})


def test_an_unknown_field_is_named() -> None:
    tree = json.loads(as_json(observed()))
    tree["records"][0]["test_accuracy"] = 1.0
    for kind, body in (
        (JSON, json.dumps(tree).encode()),
        (MESSAGE_PACK, msgspec.msgpack.encode(tree)),
    ):
        with pytest.raises(WireError, match="unknown field `test_accuracy`"):
            read_batch(kind, body)


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expected a batch of records of schema"),
        (b"\xff", "Expected a batch of records of schema"),
        (b"[]", "Expected a batch of records of schema"),
        (b"{}", "missing required field `records`"),
        (b'{"records": [], "x": 1}', "unknown field `x`"),
        (b'{"records": []}', "Expected 1 to 10000 records, got 0"),
        (b'{"records": [{"type": "x"}]}', r"at `\$.records\[0\].type`"),
        (b'{"records": [{"type": "observation", "time": "x"}]}', r"in records\[0\]"),
        (as_json(observed("a"), observed("b")), "Expected records of one run, got 'a' and 'b'"),
        (as_json(observed(train_loss=math.nan), after="x"), "got `str` - at `.*after`"),
        (as_json(observed("../x")), "Expected a run id of at most 128 letters"),
        (as_json(observed("")), "Expected a run id of at most 128 letters"),
        (as_json(observed(".x")), "Expected a run id of at most 128"),
        (as_json(observed("x" * 129)), "Expected a run id of at most 128"),
        (as_json(observed(seq=0)), "Expected attempt and seq from 1, got"),
        (as_json(observed(seq=1, attempt=0)), "Expected attempt and seq from 1, got"),
        (as_json(observed(seq=2**63)), "Expected attempt and seq from 1, got"),
        (as_json(observed(), after=-1), "Expected `after` from 0 and below 2, got -1"),
        (as_json(started(budget_steps=2**63)), "Expected a budget of 64 bits"),
        (
            b'{"records": [{"type": "observation", "step": ' + b"9" * 10**6 + b"}]}",
            "Expected a batch of",
        ),
        (deep(33), "Expected JSON that nests at most 32 deep"),
        (deep(10**6), "Expected JSON that nests at most 32 deep"),
        (b"[" * 10**6, "Expected JSON that nests at most 32 deep"),
        (b'{"a":' * 10**5, "Expected JSON that nests at most 32 deep"),
        (deep(32), "Expected a batch of records of schema"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_batch_is_refused_in_words(body: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        read_batch(JSON, body)


def test_an_integer_that_no_record_holds_is_refused() -> None:
    body = as_json(observed()).replace(b'"cadence": {}', b'"cadence": {"x": %d}' % 10**30)
    with pytest.raises(WireError, match="64-bit integers"):
        read_batch(JSON, body)


@pytest.mark.parametrize("loss", [0.5, math.nan])
def test_a_batch_of_too_many_records_is_refused(loss: float) -> None:
    records = [observed(seq=seq + 1, train_loss=loss) for seq in range(MOST_RECORDS + 1)]
    for kind, body in ((JSON, as_json(*records)), (MESSAGE_PACK, as_message_pack(*records))):
        with pytest.raises(WireError, match="Expected 1 to 10000 records, got 10001"):
            read_batch(kind, body)


def test_half_a_million_keys_are_read_or_refused_without_harm() -> None:
    keys = ",".join(f'"{number}":1' for number in range(500_000))
    body = f'{{"records": [{{"type": "observation", "x": {{{keys}}}}}]}}'.encode()
    with pytest.raises(WireError, match="Expected a batch of records"):
        read_batch(JSON, body)


@given(st.binary(max_size=300), st.sampled_from([JSON, MESSAGE_PACK]))
def test_any_bytes_are_a_batch_or_an_error_of_ours(body: bytes, kind: str) -> None:
    with pytest.raises(WireError):
        read_batch(kind, body)


TREES = st.recursive(
    st.none() | st.integers() | st.text('ab"\\[]{}'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\[{'), inner),
    max_leaves=12,
)


def depth_of(tree: object) -> int:
    if isinstance(tree, dict):
        return 1 + max(map(depth_of, tree.values()), default=0)
    return 1 + max(map(depth_of, tree), default=0) if isinstance(tree, list) else 0


@given(TREES, st.integers(0, 6))
def test_depth_is_found_without_parsing(tree: object, deepest: int) -> None:
    assert is_too_deep(json.dumps(tree).encode(), deepest) is (depth_of(tree) > deepest)


@pytest.mark.parametrize("body", [b'"' + b'\\"' * 10**6, b'"a' * 10**6, b'"' + b"\\" * 10**6])
def test_a_string_that_never_ends_holds_nobody_up(body: bytes) -> None:
    assert is_too_deep(body) is False


@given(st.text(st.characters()))
def test_a_clean_name_is_one_visible_line(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= 256
    assert name == clean_name(name)
    assert not {unicodedata.category(letter) for letter in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("run_id", ["../x", "..", "a/b", "a\0", "", ".a", "é", "a\n", "x" * 129])
def test_a_run_id_is_no_path(run_id: str) -> None:
    assert not is_run_id(run_id)
    assert is_run_id("a..b")
    assert is_run_id("x" * 128)


def test_an_evaluation_may_lack_what_it_does_not_know() -> None:
    sent = Evaluation(run_id="a", seq=1, step=1, time=0.0)
    assert read_batch(JSON, as_json(sent)).records == (sent,)
