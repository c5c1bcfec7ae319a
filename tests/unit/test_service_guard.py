import gzip
import random
import zlib
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.service.guard.asgi import Refusal
from grokwatch.monitor.service.guard.headers import (
    CHARTS_POLICY,
    CONTENT_POLICY,
    with_security,
)
from grokwatch.monitor.service.guard.hosts import HostRule, allowed_hosts, split_host
from grokwatch.monitor.service.guard.inflate import inflate
from grokwatch.monitor.service.guard.paths import check_path, is_plain
from grokwatch.monitor.service.guard.rates import Buckets, RateRule, client_of
from grokwatch.monitor.service.guard.tokens import TokenRule, check_token, given_token
from grokwatch.monitor.service.guard.writes import is_same_origin
from tests.service_web import TOKEN


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def scope_of(path: str = "/", method: str = "GET", **headers: str) -> dict[str, object]:
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": pairs}


@pytest.mark.parametrize("path", ["/", "/metrics", "/v1/runs/a.b-c_d~e", "/static/charts.v1.js"])
def test_a_plain_path_is_let_through(path: str) -> None:
    assert check_path(scope_of(path)) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "//",
        "/a/",
        "/./a",
        "/a/..",
        "/.git",
        "/a%2fb",
        "/a\\b",
        "/a\x00",
        "/ä",
        "/a;b",
        "/a b",
        "http://evil.test/healthz",
        "/healthz\n",
        "/a" * 13,
        "/" + "a" * 257,
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    refusal = check_path(scope_of(path))
    assert refusal is not None
    assert refusal.status == HTTPStatus.BAD_REQUEST
    assert refusal.detail.startswith("Expected a path of letters, digits")


def test_a_path_that_was_decoded_to_another_is_refused() -> None:
    assert check_path({**scope_of("/healthz"), "raw_path": b"/metrics"}) is not None
    assert check_path({**scope_of("/healthz"), "root_path": "/v1"}) is not None


@given(st.text(st.sampled_from("/.%\\a2fF~"), max_size=12))
def test_a_plain_path_names_no_other_folder(path: str) -> None:
    if is_plain(path.encode()):
        assert "%" not in path
        assert not {"..", ".", ""} & set(path[1:].split("/")) or path == "/"


@pytest.mark.parametrize(
    ("text", "host"),
    [("a.test:80", ("a.test", 80)), ("[::1]", ("::1", None)), ("A", ("a", None))]
    + [(text, None) for text in ("", ":80", "a:b", "a:99999", "a b", "a@b", "a/b", "::1", "a,b")],
)
def test_a_host_is_a_name_and_perhaps_a_port(
    text: str, host: tuple[str, int | None] | None
) -> None:
    assert split_host(text) == host


def test_hosts_are_those_of_loopback_and_those_configured() -> None:
    names = allowed_hosts("0.0.0.0", "https://Watch.test:8443/x", ("box", "[fd00::1]"))
    assert names == {"localhost", "127.0.0.1", "::1", "watch.test", "box", "fd00::1"}


def test_a_foreign_host_is_told_what_to_do() -> None:
    refusal = HostRule(frozenset({"localhost"}))(scope_of(host="evil.test"))
    assert refusal is not None
    assert refusal.status == HTTPStatus.FORBIDDEN
    assert refusal.detail.startswith("Expected a known Host, got 'evil.test'")


def test_two_hosts_are_one_too_many() -> None:
    scope = scope_of(host="localhost")
    twice = {**scope, "headers": [(b"host", b"localhost"), (b"host", b"localhost")]}
    refusal = HostRule(frozenset({"localhost"}))(twice)
    assert refusal is not None
    assert refusal.detail.startswith("Expected one Host header with a name")


@pytest.mark.parametrize(
    ("host", "token", "message"),
    [
        ("0.0.0.0", None, "Expected a token to listen on '0.0.0.0'"),
        ("box", None, "Expected a token to listen on"),
        ("127.0.0.1", "short", "Expected a token of at least 32 ASCII characters"),
        ("127.0.0.1", "é" * 40, "Expected a token of at least"),
    ],
)
def test_no_address_is_open_to_others_without_a_long_token(
    host: str, token: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_token(token, host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    check_token(None, host)
    check_token(TOKEN, "0.0.0.0")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer x", b"x"),
        (b"basic OnBhOnNz", b"pa:ss"),
        (b"Basic !", b""),
        (b"Digest x", b""),
        (b"", b""),
        (b"Basic dXNlcg==", b""),
        (b"Bearer", b""),
    ],
)
def test_a_token_is_read_from_both_schemes(header: bytes, token: bytes) -> None:
    assert given_token(header) == token


def test_two_tokens_are_none() -> None:
    scope = scope_of("/metrics", authorization=f"Bearer {TOKEN}")
    assert TokenRule(TOKEN)(scope) is None
    pair = [(b"authorization", f"Bearer {TOKEN}".encode())] * 2
    assert TokenRule(TOKEN)({**scope, "headers": pair}) is not None


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8420", "localhost:8420", True),
        ("https://watch.test", "watch.test", True),
        ("http://localhost:8421", "localhost:8420", False),
        ("http://watch.test.evil.test", "watch.test", False),
        ("null", "localhost", False),
        ("", "localhost", False),
        ("file://", "localhost", False),
    ],
)
def test_an_origin_is_the_same_by_name_and_port(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin, host) is same


def test_leave_fills_up_again_and_a_burst_is_allowed() -> None:
    clock = Clock()
    buckets = Buckets(2.0, clock)
    assert [buckets.take("a") for _ in range(20)] == [0.0] * 20
    assert buckets.take("a") == 0.5
    assert buckets.take("b") == 0.0
    clock.now = 0.5
    assert buckets.take("a") == 0.0


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    buckets = Buckets(1.0, Clock(), capacity=100)
    for number in range(10_000):
        buckets.take(f"address-{number}")
    assert len(buckets) == 100


def test_an_address_that_asks_too_often_is_told_when_to_come_again() -> None:
    rule = RateRule(Buckets(0.1, Clock()))
    scope = {**scope_of(), "client": ("127.0.0.1", 5)}
    assert rule(scope) is None
    refusal = rule({**scope, "client": ("127.0.0.1", 6)})
    assert refusal is not None
    assert (refusal.status, refusal.headers) == (429, ((b"retry-after", b"10"),))
    assert refusal.detail.startswith("Expected fewer requests, got one too many")
    assert rule(scope_of()) is None


def test_a_network_of_version_six_is_one_client() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1") != client_of("2001:db8:1::")
    assert client_of("testclient") == "testclient"


@given(st.binary(max_size=2000))
def test_a_packed_body_comes_back(data: bytes) -> None:
    assert inflate(gzip.compress(data), limit=2000, ratio=1000) == data


def test_more_than_is_allowed_is_not_unpacked() -> None:
    noise = random.Random(0).randbytes(1000)
    for data, limit in ((b"x" * 100_000, 1 << 30), (noise, 999)):
        refusal = inflate(gzip.compress(data), limit=limit, ratio=100)
        assert isinstance(refusal, Refusal)
        assert refusal.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert "bytes unpacked, and 100 for each packed one, got more" in refusal.detail


PACKED = gzip.compress(b"abc")


@pytest.mark.parametrize(
    "data", [b"", b"abc", PACKED[:-1], PACKED + b"x", PACKED + PACKED, zlib.compress(b"abc")]
)
def test_what_is_no_whole_stream_is_refused(data: bytes) -> None:
    refusal = inflate(data, limit=100, ratio=100)
    assert isinstance(refusal, Refusal)
    assert refusal.detail.startswith("Expected one whole gzip stream as body")


def test_a_page_may_choose_between_two_policies_and_no_other() -> None:
    def policy(given: str) -> str:
        headers = with_security([(b"content-security-policy", given.encode())])
        return dict(headers)[b"content-security-policy"].decode()

    assert policy(CHARTS_POLICY) == CHARTS_POLICY != CONTENT_POLICY
    assert policy("default-src *") == policy("") == CONTENT_POLICY
    assert "script-src 'self';" in CHARTS_POLICY
    assert CHARTS_POLICY.count("unsafe") == 1


def test_an_answer_is_not_stored_unless_it_says_so() -> None:
    assert dict(with_security([]))[b"cache-control"] == b"no-store"
    kept = [(b"cache-control", b"max-age=60"), (b"server", b"x")]
    assert dict(with_security(kept))[b"cache-control"] == b"max-age=60"
    assert b"server" not in dict(with_security(kept))
