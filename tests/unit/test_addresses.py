import ipaddress
from pathlib import Path

import pytest

from grokwatch.monitor import secrets
from grokwatch.monitor.addresses import is_plain_host, system_resolver, why_forbidden
from grokwatch.monitor.alerts._destination import Destination
from grokwatch.monitor.alerts._post import Network
from grokwatch.monitor.alerts.webhook import connect
from grokwatch.monitor.errors import ConfigurationError, HookError
from tests.receivers import NOTICE, Names, Receiver, Wires, certificates

FORBIDDEN = [
    *("127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1"),
    *("172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1"),
    *("100.127.255.255", "100.100.100.200", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1"),
    *("64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::"),
    *("2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"),
    *("ff02::1", "4000::1"),
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1"]
PUBLIC += ["169.253.1.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "2003::1"]

ODD_HOSTS = [
    *("2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "127.1", "127.0.1"),
    *("0177.0.0.1", "127.0.0.01", "127.0.0.1.", "0", "00.0.0.0", "0x0", "1.1.1.1.1", "256.1.1.1"),
    *("localhost.", "a..b", ".a", "-a.example", "a-.example", "127.0.0.0x1", "1.2.3.4.5.6"),
    *("%31%32%37.0.0.1", "127%2e0.0.1", "[::1%25lo]", "[fe80::1%25eth0]", "[::ffff:127.0.0.1]"),
    *("[0:0:0:0:0:0:0:1]", "[::1]", "[::]", "[fd00:ec2::254]", "[64:ff9b::169.254.169.254]"),
    *("[2002:7f00:1::]", "[::127.0.0.1]", "[1.2.3.4]", "[v1.fe80]", "[]", "[::1", "::1"),
    *("\N{FULLWIDTH DIGIT ONE}27.0.0.1", "\N{CIRCLED DIGIT ONE}\N{CIRCLED DIGIT TWO}7.0.0.1"),
    *("127\N{IDEOGRAPHIC FULL STOP}0.0.1", "b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"),
    *("169.254.169.254", "0.0.0.0", "10.1.2.3", "192.168.0.1", "100.64.0.1", "224.0.0.1"),
    *("user@hooks.example", "user:secret@hooks.example", ":@hooks.example", "@hooks.example"),
    *("hooks.example@127.0.0.1", "127.0.0.1@hooks.example", "hooks.example:0", "hooks.example:"),
    *("hooks.example:65536", "hooks.example:x", "hooks.example:0443", "hooks.example:-1", ""),
    *("hooks.example\\@127.0.0.1", "hooks.example\\", "127.0.0.1 ", "a b", "a\tb", "a\nb", "a\0b"),
    *("hooks.example#@127.0.0.1", "127.0.0.1#", "a" * 64, ".".join(["a" * 60] * 5), "a,b", "a;b"),
]  # fmt: skip
OTHERS = [
    *("http://hooks.example/", "http://127.0.0.1/", "ftp://hooks.example/", "file:///etc/passwd"),
    *("gopher://127.0.0.1/", "hooks.example/path", "//hooks.example/", "https:hooks.example", ""),
    *("https:/hooks.example/", "https:///hooks.example", "javascript:alert(1)", "unix:///x.sock"),
]  # fmt: skip
FORMS = [f"https://{host}/" for host in ODD_HOSTS] + OTHERS


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(address: str) -> None:
    assert why_forbidden(address) is not None
    assert why_forbidden(f"{address}%eth0") is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_fine(address: str) -> None:
    assert why_forbidden(address) is None


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_python_calls_special_is_forbidden_also_next_to_the_listed_ones(address: str) -> None:
    centre = int(ipaddress.ip_address(address))
    kind = type(ipaddress.ip_address(address))
    for number in range(centre - 300, centre + 300):
        if 0 <= number < 2 ** (32 if kind is ipaddress.IPv4Address else 128):
            near = kind(number)
            assert near.is_global or why_forbidden(str(near)), near


def test_what_is_no_address_is_forbidden() -> None:
    assert why_forbidden("hooks.example") == "no address"
    assert not is_plain_host("fe80::1%eth0")


def test_there_are_enough_forms() -> None:
    assert len(set(FORMS)) >= 80


@pytest.mark.parametrize("form", FORMS)
def test_an_odd_form_never_leads_to_a_connection(form: str) -> None:
    with Receiver() as receiver:
        wires = Wires(receiver.port)
        # What nobody refuses leads to this machine, by the system's own reading of odd forms.
        network = Network(resolve=lambda host, port: ["127.0.0.1"], backend=wires)
        with pytest.raises((ConfigurationError, HookError)):
            connect(form, network=network).fire(NOTICE)
        assert wires.dialled == []
        assert receiver.num_connections == 0


@pytest.mark.parametrize("form", FORMS)
def test_an_odd_form_is_refused_at_the_start_and_credentials_are_not_repeated(form: str) -> None:
    with pytest.raises(ConfigurationError, match=r"[Ee]xpected .* got ") as caught:
        connect(form)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_name_that_leads_to_a_forbidden_address_is_refused_before_any_connection(
    address: str,
) -> None:
    with Receiver() as receiver:
        wires = Wires(receiver.port)
        network = Network(resolve=Names(["1.1.1.1", address]), backend=wires)
        hook = connect("https://hooks.example/", network=network)
        with pytest.raises(HookError, match="to have public addresses only, got"):
            hook.fire(NOTICE)
        assert wires.dialled == []
        assert receiver.num_connections == 0


def test_a_name_is_looked_up_once_per_message_and_the_checked_address_is_dialled(
    tmp_path: Path,
) -> None:
    server, client = certificates(tmp_path, "hooks.example")
    seen: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: seen.append(name)
    with Receiver(tls=server) as receiver:
        wires, names = Wires(receiver.port), Names(["1.1.1.1"], ["127.0.0.1"])
        network = Network(resolve=names, backend=wires, trust=lambda: client)
        hook = connect("https://hooks.example:8443/x?y=1", network=network)
        hook.fire(NOTICE)
        assert (wires.dialled, names.num_asked) == ([("1.1.1.1", 8443)], 1)
        assert receiver.requests[0].line == "POST /x?y=1 HTTP/1.1"
        assert receiver.requests[0].headers["host"] == "hooks.example:8443"
        assert seen == ["hooks.example"]
        with pytest.raises(HookError, match=r"got 127\.0\.0\.1, which is loopback"):
            hook.fire(NOTICE)
        assert receiver.num_connections == 1


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with Receiver() as receiver:
        names = Names(["127.0.0.2", "127.0.0.1"])
        network = Network(resolve=names)
        connect(f"http://localhost:{receiver.port}/,allow=private", network=network).fire(NOTICE)
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_metadata_service_is_not_followed(status: int) -> None:
    with Receiver() as elsewhere, Receiver() as receiver:
        lines = f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://{elsewhere.authority}/\r\n\r\n"
        receiver.answer = lines.encode()
        hook = connect(f"http://{receiver.authority}/,allow=private")
        with pytest.raises(HookError, match=f"status of 2xx, got {status}. Redirects are not"):
            hook.fire(NOTICE)
        assert (receiver.num_connections, elsewhere.num_connections) == (1, 0)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.authority}")
        connect(f"http://{receiver.authority}/,allow=private").fire(NOTICE)
        assert (receiver.num_connections, proxy.num_connections) == (1, 0)


def test_private_addresses_have_to_be_allowed() -> None:
    with Receiver() as receiver:
        with pytest.raises(ConfigurationError, match=r"Expected https for 127\.0\.0\.1, got http"):
            connect(f"http://{receiver.authority}/")
        with pytest.raises(
            ConfigurationError, match=r"Expected a public address, got 127\.0\.0\.1"
        ):
            connect(f"https://{receiver.authority}/")
        with pytest.raises(ConfigurationError, match="Expected https for intern, got http"):
            connect("http://intern/,allow=private")
        connect(f"http://{receiver.authority}/,allow=private").fire(NOTICE)
        assert receiver.num_connections == 1


def test_ipv6_is_spoken_in_brackets() -> None:
    destination = Destination.parse("https://[2606:4700::1111]:8443/x")
    assert (destination.host, destination.port) == ("2606:4700::1111", 8443)
    assert destination.shown == "https://[2606:4700::1111]:8443"
    assert Destination.parse("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"


def test_the_path_is_shown_nowhere() -> None:
    destination = Destination.parse("https://HOOKS.example/services/secret?token=secret")
    assert "secret" not in f"{destination!r}{destination}{destination.shown}"
    assert destination.shown == "https://hooks.example"


def test_the_system_knows_this_machine() -> None:
    assert system_resolver("127.0.0.1", 80) == ["127.0.0.1"]


def test_a_secret_is_read_from_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("abc\n")
    assert secrets.secret("env:A", {"A": "x", "A_FILE": str(file)}) == "x"
    assert secrets.secret("env:A", {"A_FILE": str(file)}) == "abc"


@pytest.mark.parametrize("reference", ["hunter2", "env:", "ENV:A", ""])
def test_what_is_no_reference_to_a_secret_is_not_repeated(reference: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected a secret as env:NAME") as caught:
        secrets.secret(reference, {})
    assert "hunter2" not in str(caught.value)


def test_a_secret_in_no_readable_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a secret in the file .* No such file"):
        secrets.secret("env:A", {"A_FILE": str(tmp_path / "none")})
    (tmp_path / "bytes").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="got no UTF-8"):
        secrets.secret("env:A", {"A_FILE": str(tmp_path / "bytes")})
