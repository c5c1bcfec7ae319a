"""The service of the stack, by the container's own command and settings, on another port."""

import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests import compose, dockerfile
from tests.container_process import SERVICES, healthy, program, settings, started
from tests.service_process import TOKEN, free_port

pytestmark = pytest.mark.network


def serving(folder: Path, port: int, store: str) -> dict[str, str]:
    """The service's settings, with the files that compose would mount."""
    mounted, inside, _ = SERVICES["grokwatch"]["volumes"][0].split(":")
    given = settings("grokwatch")
    assert given["GROKWATCH_CONFIG"] == inside
    for name, text in (("grokwatch_token", TOKEN), ("grokwatch_store", store)):
        (folder / name).write_text(f"{text}\n")
    return given | {
        "GROKWATCH_CONFIG": str(compose.ROOT / mounted),
        "GROKWATCH_TOKEN_FILE": str(folder / "grokwatch_token"),
        "GROKWATCH_STORE_FILE": str(folder / "grokwatch_store"),
        "GROKWATCH_SERVICE_HOST": "127.0.0.1",
        "GROKWATCH_SERVICE_PORT": str(port),
    }


def service_command() -> list[str]:
    entry = dockerfile.stages()["service"].words("ENTRYPOINT")
    assert SERVICES["grokwatch"]["command"] == dockerfile.stages()["service"].words("CMD")
    return program([*entry, *SERVICES["grokwatch"]["command"]])


def test_the_service_of_the_stack_becomes_healthy_without_mlflow(
    tmp_path: Path, address: str
) -> None:
    port = free_port()
    log = tmp_path / "log"
    with started(service_command(), serving(tmp_path, port, address), log) as process:
        assert healthy(f"http://127.0.0.1:{port}/healthz", process, log) == b'{"status":"ok"}'
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20)
        refused.value.close()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/metrics",
            headers={"Authorization": f"Bearer {TOKEN}", "Host": "grokwatch:8000"},
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert b"grokwatch_service_writable 1" in answer.read()
    assert TOKEN not in log.read_text()


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("GROKWATCH_TOKEN_FILE", "Expected a token to listen on '0.0.0.0', got none"),
        ("GROKWATCH_STORE_FILE", "Expected the environment variable GROKWATCH_STORE or"),
    ],
)
def test_without_its_secret_the_service_refuses_to_start_and_names_it(
    tmp_path: Path, missing: str, told: str
) -> None:
    given = serving(tmp_path, 0, f"sqlite:///{tmp_path}/service.db")
    del given["GROKWATCH_SERVICE_HOST"], given[missing]  # it listens where the file says then
    done = subprocess.run(
        service_command(), env=given, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    plain = " ".join(done.stderr.split())
    assert told in plain
    assert missing in plain


def test_an_empty_secret_file_is_no_token(tmp_path: Path) -> None:
    given = serving(tmp_path, 0, f"sqlite:///{tmp_path}/service.db")
    (tmp_path / "grokwatch_token").write_text("\n")
    del given["GROKWATCH_SERVICE_HOST"]
    done = subprocess.run(
        service_command(), env=given, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Expected a token to listen on" in done.stderr
