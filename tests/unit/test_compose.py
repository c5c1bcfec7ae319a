import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import compose

DOCUMENT = compose.read()
SERVICES: Mapping[str, Mapping[str, Any]] = DOCUMENT["services"]
TEXT = compose.MAIN.read_text()
REQUIRED = sorted(set(re.findall(r"\$\{(\w+):\?", TEXT)))
BOTH = (compose.MAIN, compose.HOST)


@pytest.mark.parametrize("files", [(compose.MAIN,), BOTH], ids=["main", "host"])
def test_compose_accepts_the_files(files: tuple[Path, ...]) -> None:
    assert compose.complaint(*files) == ""
    assert compose.violations(compose.read(*files)) == ""


def test_the_schema_refuses_a_misspelled_key() -> None:
    wrong = {"services": {"a": {"image": "a:1.0.0", "mem_limits": "1g"}}}
    assert "mem_limits" in compose.violations(wrong)


@pytest.mark.parametrize("name", REQUIRED)
def test_without_a_secret_nothing_starts_and_it_is_named(name: str) -> None:
    others = {each: value for each, value in compose.example().items() if each != name}
    told = compose.complaint(variables=others)
    assert f"required variable {name} is missing a value: it names a file, try make" in told


def test_an_empty_secret_is_none() -> None:
    told = compose.complaint(variables=compose.example() | {"GROKWATCH_TOKEN_FILE": ""})
    assert "required variable GROKWATCH_TOKEN_FILE is missing" in told


def test_each_secret_is_a_file_of_its_own_that_no_default_names() -> None:
    files = {name: secret["file"] for name, secret in DOCUMENT["secrets"].items()}
    assert len(REQUIRED) == len(files) == len(set(files.values())) == 7
    assert all(Path(file).name == name for name, file in files.items())
    given = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert given == set(files)


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        words = [*service.get("command", []), *service.get("entrypoint", [])]
        assert not [word for word in words if re.search(r"://[^/@\s]*:[^/@\s]+@", str(word))]
        for name, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|TOKEN|SECRET_KEY|STORE", name)
            assert not is_secret or str(value).startswith("/run/secrets/"), name


def test_every_variable_is_required_or_has_a_default_that_the_example_shows() -> None:
    both = TEXT + compose.HOST.read_text()
    assert len(re.findall(r"\$\{", both)) == len(re.findall(r"\$\{\w+:[-?][^}]*\}", both))
    defaults = re.findall(r"\$\{(\w+):-([^}]*)\}", both)
    shown = compose.example(with_comments=True)
    assert {name for name, _ in defaults} | set(REQUIRED) == set(shown)
    assert set(compose.example()) == set(REQUIRED)
    assert [pair for pair in defaults if shown[pair[0]] != pair[1]] == []


def _published(document: compose.Document) -> Iterator[tuple[str, str]]:
    for name, service in document["services"].items():
        for port in service.get("ports", []):
            yield name, port


def test_only_pages_are_published_and_only_on_loopback() -> None:
    assert dict(_published(DOCUMENT)) == {
        "grokwatch": "127.0.0.1:8000:8000",
        "mlflow": "127.0.0.1:5000:5000",
        "grafana": "127.0.0.1:3000:3000",
        "prometheus": "127.0.0.1:9090:9090",
    }


def test_on_the_host_network_everything_listens_on_loopback_too() -> None:
    document = compose.read(*BOTH)
    assert all(port.startswith("127.0.0.1:") for _, port in _published(document))
    services = document["services"]
    on_host = {name for name, each in services.items() if each.get("network_mode") == "host"}
    assert on_host == {"prometheus", "grafana"}
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert all("networks" not in services[name] for name in on_host)
    mounted = services["prometheus"]["volumes"]
    assert "./.grokwatch/prometheus:/etc/prometheus/targets:ro" in mounted


def test_the_flags_of_both_prometheus_differ_only_in_where_it_listens() -> None:
    plain = SERVICES["prometheus"]["command"]
    on_host = compose.read(*BOTH)["services"]["prometheus"]["command"]
    assert [word.replace("0.0.0.0", "127.0.0.1") for word in plain] == on_host


def _mounted() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                yield name, volume


@pytest.mark.parametrize(("name", "volume"), list(_mounted()))
def test_every_mounted_file_is_in_the_repository_and_read_only(name: str, volume: str) -> None:
    source, _, mode = volume.split(":")
    assert mode == "ro"
    assert (compose.ROOT / source).exists(), f"{name} mounts {source}"


def test_every_named_volume_is_used_by_one_service() -> None:
    named = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith(".")
    ]
    assert sorted(named) == sorted(DOCUMENT["volumes"])


def test_databases_are_reached_by_those_who_keep_something_there() -> None:
    networks = DOCUMENT["networks"]
    assert networks["back"] == networks["front"] == {"internal": True}
    on_back = {name for name, service in SERVICES.items() if "back" in service["networks"]}
    assert on_back == {"postgres", "mlflow", "grokwatch"}
    assert SERVICES["postgres"]["networks"] == ["back"]
    assert SERVICES["trainer"]["networks"] == ["front"]


def test_the_trainer_runs_only_when_it_is_asked_for() -> None:
    assert SERVICES["trainer"]["profiles"] == ["demo"]
    assert not [name for name, each in SERVICES.items() if "profiles" in each and name != "trainer"]


def test_mlflow_answers_only_to_its_names() -> None:
    flags = dict(word.split("=", 1) for word in SERVICES["mlflow"]["command"] if "=" in word)
    allowed = flags["--allowed-hosts"].split(",")
    assert {"mlflow:5000", "127.0.0.1:5000", "localhost:5000"} == set(allowed)
    ours = compose.ROOT / "dashboards" / "service" / "grokwatch.toml"
    assert "mlflow:http://mlflow:5000/" in ours.read_text()


def test_grafana_asks_everybody_for_a_name_and_calls_nobody() -> None:
    settings = SERVICES["grafana"]["environment"]
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == settings["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert settings["GF_SECURITY_DISABLE_GRAVATAR"] == "true"
    assert settings["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in settings


def test_prometheus_takes_no_orders_and_answers_no_foreign_page() -> None:
    flags = SERVICES["prometheus"]["command"]
    forbidden = "lifecycle|admin-api|remote-write-receiver"
    assert not [flag for flag in flags if re.search(forbidden, flag)]
    assert r"--web.cors.origin=none\.invalid" in flags


@pytest.mark.parametrize(
    ("service", "program"),
    [("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")],
)
def test_the_real_servers_accept_their_flags(service: str, program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip("no prometheus or alertmanager on this machine")
    nowhere = f"--config.file={tmp_path}/nowhere.yml"
    flags = [
        nowhere if flag.startswith("--config.file") else flag
        for flag in SERVICES[service]["command"]
    ]
    # It reads its flags first: that it misses the file says that it took them.
    done = subprocess.run(
        [program, *flags], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "nowhere.yml: no such file or directory" in done.stderr
    assert "rror parsing" not in done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", ".env.example"):
        shutil.copy(compose.ROOT / name, tmp_path)
    return tmp_path


def made(folder: Path) -> dict[str, str]:
    subprocess.run([shutil.which("make") or "make", "secrets"], cwd=folder, check=True)
    return {file.name: file.read_text() for file in (folder / ".grokwatch/secrets").iterdir()}


def test_secrets_are_made_once_of_32_random_bytes_for_their_owner(checkout: Path) -> None:
    secrets = made(checkout)
    assert set(secrets) == set(DOCUMENT["secrets"])
    assert all((checkout / secret["file"]).is_file() for secret in DOCUMENT["secrets"].values())
    store = secrets.pop("grokwatch_store")
    assert store == (
        f"postgresql://grokwatch:{secrets['grokwatch_database_password']}@postgres:5432/grokwatch"
    )
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets.values())
    assert len(set(secrets.values())) == len(secrets)
    assert made(checkout) == {**secrets, "grokwatch_store": store}
    modes = {
        name: stat.S_IMODE((checkout / name).stat().st_mode)
        for name in (".env", ".grokwatch/secrets")
    }
    assert modes == {".env": 0o600, ".grokwatch/secrets": 0o700}
    assert compose.complaint(variables=_settings(checkout)) == ""


def test_what_stands_in_the_settings_stays_and_what_is_missing_is_added(checkout: Path) -> None:
    (checkout / ".env").write_text("GROKWATCH_TOKEN_FILE=/elsewhere\nMLFLOW_PORT=5055")
    made(checkout)
    assert _settings(checkout) == compose.example() | {
        "GROKWATCH_TOKEN_FILE": "/elsewhere",
        "MLFLOW_PORT": "5055",
    }


def _settings(folder: Path) -> dict[str, str]:
    lines = (folder / ".env").read_text().splitlines()
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines}


def test_secrets_and_settings_are_in_no_commit_and_no_image() -> None:
    ignored = (compose.ROOT / ".gitignore").read_text().splitlines()
    assert {".env", ".grokwatch/"} <= set(ignored)
    patterns = (compose.ROOT / ".dockerignore").read_text().splitlines()
    assert patterns[1] == "*"
    assert not [line for line in patterns if line.startswith("!.")]


def test_the_licence_of_the_schema_is_named() -> None:
    assert "Apache-2.0" in (compose.SCHEMA.parent / "README.md").read_text()
