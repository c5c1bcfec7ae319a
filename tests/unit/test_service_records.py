import gzip
import math

import msgspec
import pytest
from litestar import Litestar

from grokwatch.monitor.records import AnyRecord, Observation
from grokwatch.monitor.service.api.answers import EXCEPTION_HANDLERS
from grokwatch.monitor.service.api.batches import JSON, MESSAGE_PACK
from grokwatch.monitor.service.api.records import Records
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.guard.bodies import Limits
from grokwatch.monitor.service.views import Batch
from tests.service_stand_in import StandIn, StandInIntake
from tests.service_web import (
    BEARER,
    WRITE,
    app_of,
    ask,
    observed,
    started,
    stocked,
)


@pytest.fixture
def store() -> StandIn:
    return stocked()


@pytest.fixture
def app(store: StandIn) -> Application:
    return app_of(store)


def packed(*records: AnyRecord, after: int | None = None) -> bytes:
    return msgspec.msgpack.encode(Batch(records=records, after=after))


def push(
    app: Application, body: bytes, kind: str = MESSAGE_PACK, **headers: str
) -> tuple[int, str]:
    extra = {name.replace("_", "-"): text for name, text in headers.items()}
    answer = ask(
        app,
        "POST",
        "/v1/records",
        headers={**WRITE, "Content-Type": kind, **extra},
        content=body,
    )
    return answer.status_code, answer.text


def test_a_pushed_batch_is_stored_once(app: Application, store: StandIn) -> None:
    body = packed(started("b"), observed("b"))
    first, again = push(app, body), push(app, body)
    assert first[0] == again[0] == 200
    assert '"stored":2,"duplicates":0' in first[1]
    assert '"stored":0,"duplicates":2' in again[1]
    assert len(store.records["b"]) == 2


def test_floats_that_json_lacks_come_and_go_as_text(app: Application, store: StandIn) -> None:
    body = b"""{"records": [{"type": "observation", "run_id": "c", "seq": 1, "step": 1, "time": 0,
        "train_loss": "nan", "values": {"x": "-inf", "y": 0.5}}], "after": 0}"""
    assert push(app, body, "application/json; charset=utf-8")[0] == 200
    got = store.records["c"][1, 1]
    assert isinstance(got, Observation)
    assert math.isnan(got.train_loss)
    answer = ask(app, "GET", "/v1/runs/c/series?keys=train_loss,x,y,none", headers=BEARER)
    assert answer.json()["values"] == {
        "train_loss": ["nan"],
        "x": ["-inf"],
        "y": [0.5],
        "none": [None],
    }


def test_a_packed_body_is_taken(app: Application) -> None:
    body = packed(*(observed("b", seq=seq + 1) for seq in range(2000)))
    status, text = push(app, gzip.compress(body), Content_Encoding="gzip")
    assert (status, '"stored":2000' in text) == (200, True)


@pytest.mark.parametrize(
    ("body", "kind", "headers", "status", "message"),
    [
        (b"{}", "text/plain", {}, 415, "Expected application/json or application/msgpack"),
        (b"{}", "", {}, 415, "Expected application/json or application/msgpack"),
        (b"{}", JSON, {"Content_Encoding": "br"}, 415, "Expected a body as it is or one gzip"),
        (b"{}", JSON, {"Content_Encoding": "gzip"}, 400, "Expected one whole gzip stream"),
        (b"{}", JSON, {"Content_Encoding": "gzip, gzip"}, 415, "Expected a body as it is or one"),
        (b"{}", JSON, {}, 400, "missing required field `records`"),
        (packed(observed("../x")), MESSAGE_PACK, {}, 400, "Expected a run id of at most 128"),
        (b" " * (1 << 20), JSON, {}, 400, "Expected a batch of records"),
        (b" " * ((1 << 20) + 1), JSON, {}, 413, "Expected a body of at most 1048576 bytes"),
        (b" " * (10 << 20), JSON, {}, 413, "Expected a body of at most 1048576 bytes"),
        (gzip.compress(b" " * (9 << 20)), JSON, {"Content_Encoding": "gzip"}, 413, "unpacked"),
        (
            packed(observed("a", train_loss=9.0)),
            MESSAGE_PACK,
            {},
            409,
            "Expected the stored record",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_taken_is_refused_in_words(
    app: Application,
    store: StandIn,
    body: bytes,
    kind: str,
    headers: dict[str, str],
    status: int,
    message: str,
) -> None:
    before = store.changes
    answered, text = push(app, body, kind, **headers)
    assert answered == status
    assert set(msgspec.json.decode(text)) == {"detail"}
    assert message in msgspec.json.decode(text)["detail"]
    assert store.changes == before


def test_a_sender_whose_batch_is_not_stored_in_time_is_told_to_come_again(
    store: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_stuck = True
    routed = Litestar(
        Records(StandInIntake(store), patience=0.05).handlers(),
        exception_handlers=EXCEPTION_HANDLERS,
        logging_config=None,
        openapi_config=None,
    )
    headers = {"Content-Type": MESSAGE_PACK}
    answer = ask(routed, "POST", "/v1/records", headers=headers, content=packed(observed()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "The store did not answer" in caplog.text


def test_limits_are_those_that_were_given(store: StandIn) -> None:
    app = app_of(store, limits=Limits(body=10))
    assert push(app, b" " * 11)[0] == 413
