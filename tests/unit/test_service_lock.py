import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import compose

LOCKS = ("requirements-service.lock", "requirements-mlflow.lock", "requirements-build.lock")
LINE = re.compile(r"([a-z0-9-]+)==(\S+)((?: --hash=sha256:[0-9a-f]{64})+)")
PROJECT = tomllib.loads((compose.ROOT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, str]:
    """Package -> version."""
    lines = (compose.ROOT / name).read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    assert all(found), f"a line of {name} has no hash"
    return {match[1]: match[2] for match in found if match}


SERVICE = locked(LOCKS[0])


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_has_a_version_and_hashes_and_no_address(name: str) -> None:
    assert locked(name)
    assert "://" not in (compose.ROOT / name).read_text()


def test_every_wheel_of_its_own_for_a_machine_is_there_for_both_machines() -> None:
    for line in (compose.ROOT / LOCKS[0]).read_text().splitlines():
        if line.startswith(("numpy=", "msgspec=", "psycopg-binary=", "sqlalchemy=")):
            assert line.count("--hash") == 2, line


@pytest.mark.parametrize(
    "text", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["service"]]
)
def test_what_the_service_requires_is_locked(text: str) -> None:
    requirement = Requirement(text)
    version = SERVICE[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("name", sorted(SERVICE))
def test_what_a_locked_package_requires_is_locked_too(name: str) -> None:
    extras = {"psycopg": "binary", "litestar": ""}.get(name, "")
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": extras, "platform_machine": "x86_64"}):
            version = SERVICE[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{name} requires {requirement}"


def test_the_service_is_locked_without_torch() -> None:
    heavy = re.compile(r"torch|lightning|nvidia|cuda|triton|scipy|mlflow|ray$|jax")
    assert not [name for name in SERVICE if heavy.search(name)]


def test_the_tests_run_with_the_versions_of_the_images() -> None:
    ours = {**SERVICE, **locked(LOCKS[1]), **locked(LOCKS[2])}
    installed = {name: metadata.version(name) for name in ours}
    assert installed == ours
