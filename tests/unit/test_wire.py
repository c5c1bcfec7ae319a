"""Records survive both encodings; anything else is refused with a message."""

import json
import math
import os
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokwatch.monitor import wire
from grokwatch.monitor.errors import SchemaError, WireError
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Concern,
    Evaluation,
    Evidence,
    Interval,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
    SkippedSignal,
    WeightFrame,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

NUM_EXAMPLES = int(os.environ.get("GROKWATCH_WIRE_EXAMPLES", "300"))

NAN_WITH_PAYLOAD = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0777))[0]
SIGNALING_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF4_0000_0000_0123))[0]
HARD_FLOATS = (
    NAN_WITH_PAYLOAD, SIGNALING_NAN, math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, -5e-324,
    1e308, -1.7976931348623157e308, 0.1,
)  # fmt: skip

ASSESSMENT = Assessment(
    run_id="r",
    attempt=2,
    seq=7,
    step=40,
    time=50.0,
    predictor="threshold@1",
    stage=Stage.CLEANUP,
    chances=(Chance(horizon_steps=1000, probability=0.25),),
    eta_steps=Interval(low=10, high=None),
    evidence=(Evidence(signal="weight_norm", contribution=-math.inf),),
    concerns=(Concern(code=AlertCode.NUMERICALLY_STUCK, reason="r"),),
)
ONE_OF_EACH: tuple[AnyRecord, ...] = (
    RunStarted(
        run_id="r",
        time=1.5,
        name="näme",
        signals=(SignalInfo(name="a", unit="", summary="s", access="held-out"),),
        skipped=(SkippedSignal(name="b", reason="r", remedy="m"),),
        guesses=("g",),
        hyper_parameters={"a": True, "b": 2, "c": 3.0, "d": "nan", "e": None},
        budget_steps=None,
        group="cyclic:67",
        versions={"grokwatch": "0.1"},
    ),
    Observation(
        run_id="r",
        step=2**63 - 1,
        time=-1.0,
        train_loss=math.inf,
        values={str(number): value for number, value in enumerate(HARD_FLOATS)},
        errors={"a": "nan"},
        cadence={"a": 3},
    ),
    Observation(run_id="r", step=-(2**63), time=0.0, train_loss=-0.0, train_accuracy=math.nan),
    Evaluation(run_id="r", step=1, time=0.0, test_loss=-math.inf, test_accuracy=None),
    ASSESSMENT,
    Alert(
        run_id="r",
        id="i",
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.INFO,
        state=AlertState.FIRING,
        step=2,
        time=math.nan,
        message="inf",
        assessment=ASSESSMENT,
        spared=True,
    ),
    WeightFrame(run_id="r", step=1, role="input", shape=(2, 3), data=bytes(range(24))),
    RunEnded(run_id="r", step=9, time=2.0, status=RunStatus.INTERRUPTED, message="why"),
)


def bits(value: Any, *, one_nan: bool = False) -> Any:
    """A tree that is equal only where every float has the same bits."""
    if isinstance(value, float):
        is_any_nan = one_nan and math.isnan(value)
        return ("float", b"nan" if is_any_nan else struct.pack("<d", value))
    if isinstance(value, msgspec.Struct):
        fields = (bits(getattr(value, name), one_nan=one_nan) for name in value.__struct_fields__)
        return (type(value), *fields)
    if isinstance(value, dict):
        return {key: bits(item, one_nan=one_nan) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(bits(item, one_nan=one_nan) for item in value)
    return (type(value), value)


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda r: type(r).__name__)
def test_messagepack_round_trip_keeps_every_bit(record: AnyRecord) -> None:
    assert bits(wire.decode(wire.encode(record))) == bits(record)


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda r: type(r).__name__)
def test_json_round_trip_keeps_all_but_nan_payloads(record: AnyRecord) -> None:
    data = wire.to_json(record)
    assert b"\n" not in data
    assert bits(wire.from_json(data), one_nan=True) == bits(record, one_nan=True)


def test_json_names_non_finite_floats() -> None:
    observation = Observation(
        run_id="r", step=1, time=0.0, train_loss=math.nan, values={"a": math.inf, "b": -math.inf}
    )
    tree = msgspec.json.decode(wire.to_json(observation))
    assert tree["train_loss"] == "nan"
    assert tree["values"] == {"a": "inf", "b": "-inf"}


def test_json_keeps_text_that_looks_like_a_number() -> None:
    started = RunStarted(run_id="nan", time=math.inf, name="inf", hyper_parameters={"p": "-inf"})
    assert wire.from_json(wire.to_json(started)) == started


@given(
    step=st.integers(-(2**63), 2**63 - 1),
    loss=st.floats(width=64),
    values=st.dictionaries(st.text(max_size=8), st.floats(width=64), max_size=5),
    parameters=st.dictionaries(
        st.text(max_size=5),
        st.one_of(
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=5),
            st.none(),
        ),
        max_size=4,
    ),
)
@settings(max_examples=NUM_EXAMPLES, deadline=None)
def test_adversarial_values_survive(
    step: int, loss: float, values: dict[str, float], parameters: dict[str, Any]
) -> None:
    observation = Observation(run_id="r", step=step, time=loss, train_loss=loss, values=values)
    started = RunStarted(run_id="r", time=loss, hyper_parameters=parameters)
    for record in (observation, started):
        assert bits(wire.decode(wire.encode(record))) == bits(record)
        back = wire.from_json(wire.to_json(record))
        assert bits(back, one_nan=True) == bits(record, one_nan=True)


@given(st.binary(max_size=200))
@settings(max_examples=NUM_EXAMPLES, deadline=None)
def test_any_bytes_are_a_record_or_a_wire_error(data: bytes) -> None:
    for read in (wire.decode, wire.from_json, wire.check_header):
        try:
            read(data)
        except WireError:
            continue


def test_numbers_of_numpy_become_plain_ones() -> None:
    values: Any = {"a": np.float64(0.5), "b": np.float32(0.25), "c": np.int64(3)}
    record = Observation(run_id="r", step=1, time=0.0, train_loss=1.0, values=values)
    for back in (wire.decode(wire.encode(record)), wire.from_json(wire.to_json(record))):
        assert isinstance(back, Observation)
        assert back.values == {"a": 0.5, "b": 0.25, "c": 3.0}
        assert [type(value) for value in back.values.values()] == [float, float, float]


@pytest.mark.parametrize(
    "bad", [{"step": 2**70}, {"values": {"\ud800": 1.0}}, {"train_loss": object()}]
)
def test_what_no_record_can_hold_is_refused(bad: dict[str, Any]) -> None:
    good = Observation(run_id="r", step=1, time=0.0, train_loss=1.0)
    record = msgspec.structs.replace(good, **bad)
    with pytest.raises(WireError, match=r"Expected a record of 64-bit .* got Observation .* Try"):
        wire.encode(record)
    if "step" not in bad:  # JSON has integers of any size
        with pytest.raises(WireError, match="Expected a record of 64-bit"):
            wire.to_json(record)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x91" * 100_000,
        wire.encode(ONE_OF_EACH[3]) + b"x",
        msgspec.msgpack.encode({"type": "evaluation", "run_id": "r", "step": 1, "time": 0, "x": 1}),
        msgspec.msgpack.encode({"type": "no_such_record", "run_id": "r"}),
        b"\x81\xa4type\xa2\xff\xff",
    ],
)
def test_garbage_is_named(data: bytes) -> None:
    with pytest.raises(WireError, match=rf"Expected one record as MessagePack, got {len(data)} b"):
        wire.decode(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[" * 100_000, b'{"type":"evaluation","run_id":"r","step":1,"time":"1.5"}'],
)
def test_garbage_in_json_is_named(data: bytes) -> None:
    with pytest.raises(WireError, match=rf"Expected one record as JSON, got {len(data)} bytes"):
        wire.from_json(data)


def test_own_header_is_accepted() -> None:
    wire.check_header(wire.header())


@pytest.mark.parametrize("schema", ["2.0", "1.4", "0.9"])
def test_other_schemas_are_refused(schema: str) -> None:
    data = msgspec.msgpack.encode({"type": "grokwatch", "schema": schema})
    with pytest.raises(SchemaError, match=rf"Expected schema 1.0 to 1.3, got '{schema}'. Try a gr"):
        wire.check_header(data)


def test_older_minor_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = wire.header()
    monkeypatch.setattr(wire, "SCHEMA", "1.9")
    wire.check_header(data)


def test_signals_of_schema_1_0_say_no_access_and_saw_the_train_side_only() -> None:
    wire.check_header(msgspec.msgpack.encode({"type": "grokwatch", "schema": "1.0"}))
    info = {"name": "a", "unit": "", "summary": "s"}
    data = {"type": "run_started", "run_id": "r", "time": 0.0, "signals": [info]}
    for record in (
        wire.decode(msgspec.msgpack.encode(data)),
        wire.from_json(json.dumps(data).encode()),
    ):
        assert isinstance(record, RunStarted)
        assert [signal.access for signal in record.signals] == ["train"]


def test_judgements_of_schema_1_1_had_no_concerns_and_spared_nobody() -> None:
    wire.check_header(msgspec.msgpack.encode({"type": "grokwatch", "schema": "1.1"}))
    for record in ONE_OF_EACH[4:6]:
        tree = json.loads(wire.to_json(record))
        for part in (tree, tree.get("assessment", {})):
            for name in ("concerns", "spared"):
                part.pop(name, None)
        back = wire.from_json(json.dumps(tree).encode())
        assert isinstance(back, Assessment | Alert)
        judged = back.assessment if isinstance(back, Alert) else back
        assert judged is not None
        assert judged.concerns == ()
        assert not (isinstance(back, Alert) and back.spared)


@pytest.mark.parametrize("data", [b"", b"x", wire.encode(ONE_OF_EACH[3])])
def test_what_is_no_header_is_named(data: bytes) -> None:
    with pytest.raises(WireError, match=r"Expected a stream header, got .* Try the file"):
        wire.check_header(data)


@pytest.mark.parametrize("schema", ["", "1", "one.two", "1.2.3"])
def test_header_without_a_version_is_no_header(schema: str) -> None:
    data = msgspec.msgpack.encode({"type": "grokwatch", "schema": schema})
    with pytest.raises(WireError, match="Expected a stream header"):
        wire.check_header(data)
