"""Each rule for containers (non-root, read-only, no capabilities, limits), for every service."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests import compose, dockerfile

SERVICES: Mapping[str, Mapping[str, Any]] = compose.read()["services"]
ON_HOST: Mapping[str, Mapping[str, Any]] = compose.read(compose.MAIN, compose.HOST)["services"]
CASES = [(name, service) for both in (SERVICES, ON_HOST) for name, service in both.items()]

every_service = pytest.mark.parametrize(
    ("name", "service"),
    CASES,
    ids=[f"{name}-{place // len(SERVICES)}" for place, (name, _) in enumerate(CASES)],
)


@every_service
def test_it_is_no_root(name: str, service: Mapping[str, Any]) -> None:
    user, group = service["user"].split(":")
    assert int(user) > 0, name
    # Grafana's image gives its files to the group 0, which has no rights by itself.
    assert int(group) > 0 or name == "grafana"


@every_service
def test_its_image_is_read_only_and_what_it_writes_is_named(
    name: str, service: Mapping[str, Any]
) -> None:
    assert service["read_only"] is True
    for volume in service.get("volumes", []):
        assert volume.endswith(":ro") or not volume.startswith((".", "/")), f"{name}: {volume}"
    assert all(re.search(r"size=\d+m", mount) for mount in service.get("tmpfs") or [])


@every_service
def test_it_has_no_capabilities_and_gains_none(name: str, service: Mapping[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"], name
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "devices", "pid", "ipc", "userns_mode"} & set(service)


@every_service
def test_it_has_limits_of_processes_memory_and_cpu(name: str, service: Mapping[str, Any]) -> None:
    assert 0 < service["pids_limit"] <= 256, name
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["cpus"] <= 2


@every_service
def test_its_log_is_bounded(name: str, service: Mapping[str, Any]) -> None:
    options = {"max-size": "10m", "max-file": "3"}
    assert service["logging"] == {"driver": "json-file", "options": options}, name


@every_service
def test_it_says_whether_it_is_healthy(name: str, service: Mapping[str, Any]) -> None:
    check = service.get("healthcheck", {})
    if "build" in service:
        assert not check
        stage = dockerfile.stages()[service["build"]["target"]]
        ends_by_itself = service["restart"] == "no"
        assert (stage.last("HEALTHCHECK") == "NONE") is ends_by_itself, name
    else:
        assert check["test"][0] == "CMD"
        assert all(check[key] for key in ("interval", "timeout", "retries"))


@every_service
def test_it_cannot_reach_the_engine(name: str, service: Mapping[str, Any]) -> None:
    mounts = [*service.get("volumes", []), *(service.get("tmpfs") or [])]
    assert not [mount for mount in mounts if "docker.sock" in mount or mount.startswith("/:")], name


@every_service
def test_its_image_has_a_version_and_can_be_given_a_digest(
    name: str, service: Mapping[str, Any]
) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)*$", service["image"]), name
    variable = re.search(rf"^  {name}:\n(?:    .*\n)*?    image: \$\{{(\w+):-", TEXT, re.MULTILINE)
    assert variable
    pinned = f"registry/{name}:1.2.3@sha256:{'0' * 64}"
    chosen = compose.read(variables=compose.example() | {variable[1]: pinned})
    assert chosen["services"][name]["image"] == pinned


TEXT = compose.MAIN.read_text()
FLOORS = {
    "prometheus": (3, 11, 3),
    "alertmanager": (0, 31, 1),
    "grafana": (13, 2, 1),
    "mlflow": (3, 10, 2),
}


@pytest.mark.parametrize("name", FLOORS)
def test_no_image_is_older_than_its_known_flaws(name: str) -> None:
    version = re.search(r":v?(\d+)\.(\d+)\.(\d+)$", SERVICES[name]["image"])
    assert version
    assert tuple(map(int, version.groups())) >= FLOORS[name]


def test_who_needs_a_database_waits_until_it_answers() -> None:
    waiting = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert (
        waiting["mlflow"] == waiting["grokwatch"] == {"postgres": {"condition": "service_healthy"}}
    )
    assert set(waiting["trainer"]) == {"grokwatch", "mlflow"}
