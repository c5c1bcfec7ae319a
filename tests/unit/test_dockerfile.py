import re
from typing import Any

import pytest

from tests import compose, dockerfile

STAGES = dockerfile.stages()
SERVICES: dict[str, Any] = compose.read()["services"]
BUILT = {each["build"]["target"]: each for each in SERVICES.values() if "build" in each}


def test_every_stage_begins_from_a_version_or_another_stage() -> None:
    images = dockerfile.arguments()
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images.values())
    assert "latest" not in dockerfile.FILE.read_text()
    for stage in STAGES.values():
        assert stage.base in STAGES or stage.base.strip("${}") in images, stage.name


def test_compose_builds_three_stages_from_the_images_that_the_file_names() -> None:
    assert set(BUILT) == {"service", "mlflow", "trainer"}
    images = dockerfile.arguments()
    for target, service in BUILT.items():
        for name, image in service["build"]["args"].items():
            assert images.get(name, "") == image, f"{target}: {name}"


@pytest.mark.parametrize("name", ["service", "mlflow", "trainer"])
def test_what_runs_is_no_root_and_says_how_it_is(name: str) -> None:
    stage = STAGES[name]
    assert stage.last("USER") == BUILT[name]["user"] == "10001:10001"
    words = [word for word, _ in stage.instructions]
    assert words.index("HEALTHCHECK") > 0
    written = [place for place, word in enumerate(words) if word in {"COPY", "RUN"}]
    last_user = len(words) - 1 - words[::-1].index("USER")
    assert last_user > max(written)


@pytest.mark.parametrize("name", ["service", "mlflow"])
def test_its_health_is_asked_at_the_port_that_it_serves(name: str) -> None:
    port = BUILT[name]["ports"][0].rpartition(":")[2]
    assert f"http://127.0.0.1:{port}/health" in (STAGES[name].last("HEALTHCHECK") or "")


def _installs() -> list[tuple[str, str]]:
    found = []
    for stage in STAGES.values():
        runs = [rest for word, rest in stage.instructions if word == "RUN"]
        parts = [part for rest in runs for part in rest.split("&&") if "pip install" in part]
        found += [(stage.name, part.strip()) for part in parts]
    return found


def test_only_hashed_wheels_are_installed_beside_torch() -> None:
    for stage, command in _installs():
        if stage != "trainer-packages":
            assert "--no-deps" in command
            assert "--require-hashes --only-binary :all:" in command or "--no-index" in command
    assert {stage for stage, _ in _installs()} == {
        "wheel", "service-packages", "trainer-packages", "mlflow",
    }  # fmt: skip


def test_the_service_takes_nothing_from_the_trainer() -> None:
    sources = {rest.split()[0] for word, rest in STAGES["service"].instructions if word == "COPY"}
    assert sources == {"--from=service-packages"}
    assert STAGES["service"].base == STAGES["trainer"].base == "runtime"


def test_all_that_is_copied_reaches_the_builder() -> None:
    lines = (compose.ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    for stage in STAGES.values():
        for word, rest in stage.instructions:
            if word == "COPY" and "--from" not in rest:
                for source in rest.split()[:-1]:
                    assert (compose.ROOT / source).exists(), source
                    assert source in let_in or re.fullmatch(r"requirements.*\.lock", source)
    assert "requirements*.lock" in let_in


def test_no_address_of_a_registry_of_packages_is_written_down() -> None:
    texts = [dockerfile.FILE, compose.MAIN, *compose.ROOT.glob("requirements*.lock")]
    for file in texts:
        for address in re.findall(r"https?://[^\s\"'/:]+", file.read_text()):
            assert address in {"http://127.0.0.1", "http://mlflow", "http://grokwatch"}, file
