import base64
import datetime
import json
import secrets as random
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from grokwatch.monitor.alerts._post import Network
from grokwatch.monitor.alerts.webhook import MOST_BODY_BYTES, connect
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.notice import Moved, Notice
from tests.receivers import NOTICE, Receiver, Request

CANARY = "c4n4ry"
OLD, NEW = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))


def told(receiver: Receiver, options: str = "", **variables: str) -> Request:
    """What the receiver gets of the notice."""
    target = f"http://{receiver.authority}/{CANARY},allow=private{options}"
    connect(target, environment=variables).fire(NOTICE)
    return receiver.requests[-1]


def verified(request: Request, key: str, **changed: str) -> Any:
    return Webhook(key).verify(request.body, request.headers | changed)


def stamped(key: str, seconds: float) -> tuple[str, dict[str, str]]:
    """A message and its headers as a hook whose clock is `seconds` off sends them."""
    with Receiver() as receiver:
        network = Network(now=lambda: time.time() + seconds)
        target = f"http://{receiver.authority}/,allow=private,secret=env:S"
        connect(target, environment={"S": key}, network=network).fire(NOTICE)
        request = receiver.requests[0]
        return request.body.decode(), request.headers


def test_the_reference_library_accepts_what_is_sent() -> None:
    with Receiver() as receiver:
        request = told(receiver, ",secret=env:S", S=NEW)
    data = verified(request, NEW)["data"]
    assert (data["code"], data["state"], data["name"]) == ("GRK001", "firing", "seed 3")
    assert request.headers["webhook-id"] == NOTICE.id
    assert "." not in NOTICE.id
    assert request.headers["content-type"] == "application/json"


def test_the_signature_is_that_of_the_specification() -> None:
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with Receiver() as receiver:
        network = Network(now=lambda: 1614265330.7)
        target = f"http://{receiver.authority}/,allow=private,secret=env:S"
        connect(target, environment={"S": key}, network=network).fire(NOTICE)
        request = receiver.requests[0]
    assert request.headers["webhook-timestamp"] == "1614265330"
    # The vector that the specification's libraries are tested with.
    name = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    then = datetime.datetime(2021, 2, 25, 15, 2, 10, tzinfo=datetime.UTC)
    signature = Webhook(key).sign(name, then, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert request.headers["webhook-signature"] == Webhook(key).sign(
        NOTICE.id, then, request.body.decode()
    )


def test_a_message_with_any_byte_changed_is_refused() -> None:
    with Receiver() as receiver:
        request = told(receiver, ",secret=env:S", S=NEW)
    for at, byte in enumerate(request.body):
        body = request.body[:at] + bytes([byte ^ 1]) + request.body[at + 1 :]
        with pytest.raises(WebhookVerificationError):
            Webhook(NEW).verify(body, request.headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_with_a_changed_or_missing_header_is_refused(name: str) -> None:
    with Receiver() as receiver:
        request = told(receiver, ",secret=env:S", S=NEW)
    value = request.headers[name]
    for at in range(3 if name == "webhook-signature" else 0, len(value.rstrip("="))):
        changed = f"{value[:at]}{'A' if value[at] != 'A' else 'E'}{value[at + 1 :]}"
        with pytest.raises((WebhookVerificationError, ValueError)):
            verified(request, NEW, **{name: changed})
    with pytest.raises(WebhookVerificationError, match="Missing required headers"):
        verified(request, NEW, **{name: ""})


def test_a_message_that_is_replayed_after_five_minutes_is_refused() -> None:
    body, headers = stamped(NEW, -240)
    Webhook(NEW).verify(body, headers)
    for seconds, message in ((-330, "too old"), (330, "too new")):
        body, headers = stamped(NEW, seconds)
        with pytest.raises(WebhookVerificationError, match=message):
            Webhook(NEW).verify(body, headers)


def test_while_secrets_rotate_both_verify_and_no_other() -> None:
    with Receiver() as receiver:
        request = told(receiver, ",secret=env:S", S=f"{NEW}\n{OLD}\n")
    assert verified(request, NEW) == verified(request, OLD)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    other = f"whsec_{base64.b64encode(random.token_bytes(32)).decode()}"
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verified(request, other)


def test_without_a_secret_a_message_is_not_signed() -> None:
    with Receiver() as receiver:
        headers = told(receiver).headers
    assert "webhook-signature" not in headers
    assert {"webhook-id", "webhook-timestamp"} <= set(headers)


def test_the_same_notice_keeps_its_name_when_it_is_sent_again() -> None:
    with Receiver() as receiver:
        told(receiver)
        told(receiver)
        first, second = (request.headers["webhook-id"] for request in receiver.requests)
    assert first == second


@pytest.mark.parametrize(
    "key",
    [
        *("", " ", CANARY, f"whsec_{CANARY}", NEW.removeprefix("whsec_"), "whsec_", "whsec_%%%%"),
        f"whsec_{base64.b64encode(b'x' * 23).decode()}",
        f"whsec_{base64.b64encode(b'x' * 65).decode()}",
        f"{NEW} {CANARY}",
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected a secret of 'whsec_' and 24") as caught:
        connect("https://hooks.example/,secret=env:S", environment={"S": key})
    assert CANARY not in str(caught.value)
    assert "xxxx" not in str(caught.value)


@pytest.mark.parametrize("size", [24, 64])
def test_secrets_of_24_to_64_bytes_are_fine(size: int) -> None:
    key = f"whsec_{base64.b64encode(random.token_bytes(size)).decode()}"
    with Receiver() as receiver:
        assert verified(told(receiver, ",secret=env:S", S=key), key)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (",secrett=env:S", r"after the comma, got 'secrett'\. Did you mean 'secret'\?"),
        (",color=red", r"Expected an option among secret, allow, timeout .* Try '%2C'"),
        (",allow=all", "Expected 'allow=private' or nothing, got 'allow=all'"),
        (",timeout=5,timeout=6", "Expected the option 'timeout' once, got it twice"),
        (",timeout=0", "Expected a timeout above 0 and up to 30 seconds, got '0'"),
        (",timeout=31", "Expected a timeout above 0"),
        (",timeout=nan", "Expected a timeout above 0"),
        (",timeout=soon", "Expected a timeout above 0"),
        (",secret=hunter2", "Expected a secret as env:NAME"),
        (",secret=env:NOT_SET_HERE", "Expected the environment variable NOT_SET_HERE"),
    ],
)
def test_an_option_that_cannot_be_used_says_so(options: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        connect(f"https://hooks.example/{CANARY}{options}", environment={})
    assert CANARY not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_address_may_be_a_secret_as_a_whole() -> None:
    with Receiver() as receiver:
        variables = {"HOOK": f"http://{receiver.authority}/{CANARY}?a=1,b"}
        connect("env:HOOK,allow=private", environment=variables).fire(NOTICE)
        assert receiver.requests[0].line == f"POST /{CANARY}?a=1,b HTTP/1.1"


@pytest.mark.parametrize("character", ["x", "\0", "\ud800", "\N{GRINNING FACE}", '"'])
def test_a_message_stays_under_twenty_kilobytes(character: str) -> None:
    long = character * 30_000
    notice = Notice(
        alert=msgspec.structs.replace(NOTICE.alert, run_id=long, message=long),
        name=long,
        moved=tuple(Moved(signal=long, contribution=float(n)) for n in range(100)),
        links={f"{n}{long}": long for n in range(20)} | {"run": "https://watch.example/a"},
    )
    with Receiver() as receiver:
        connect(f"http://{receiver.authority}/,allow=private").fire(notice)
        request = receiver.requests[0]
    assert len(request.body) <= MOST_BODY_BYTES
    data = request.json["data"]
    assert data["message"]
    assert data["moved"][0]["contribution"] == 99.0
    assert data["links"] == {"run": "https://watch.example/a"}


def test_the_body_is_the_payload_that_the_documentation_shows() -> None:
    with Receiver() as receiver:
        shown = told(receiver).json
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
    written = page.partition("```json\n")[2].partition("```")[0]
    assert json.loads(written) == shown
