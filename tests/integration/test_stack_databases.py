"""The databases of the stack, made by its script on a real server; MLflow keeps runs there."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import compose, postgres
from tests.container_process import SERVICES, healthy, program, settings, started
from tests.service_process import free_port

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host of a PostgreSQL server on which the stack's script made its databases."""
    folder = postgres.programs()
    if folder is None:
        pytest.skip("no PostgreSQL on this machine")
    secrets = tmp_path_factory.mktemp("secrets")
    for name in ("mlflow", "grokwatch"):
        (secrets / f"{name}_database_password").write_text(f"{name}-has'quotes\"$x")
    with postgres.server(folder) as host:
        _make_databases(folder, host, secrets)
        yield host


def _make_databases(folder: Path, host: str, secrets: Path) -> None:
    script = compose.ROOT / SERVICES["postgres"]["volumes"][0].split(":")[0]
    paths = f"{folder}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": paths, "PGHOST": host, "SECRETS_DIRECTORY": str(secrets)}
    given["POSTGRES_USER"] = SERVICES["postgres"]["environment"]["POSTGRES_USER"]
    subprocess.run([script], env=given, check=True, capture_output=True)


def test_each_program_has_a_database_that_no_other_may_enter(databases: str) -> None:
    for name in ("mlflow", "grokwatch"):
        with psycopg.connect(host=databases, user=name, dbname=name) as connection:
            connection.execute("CREATE TABLE mine (a int)")
            connection.execute("DROP TABLE mine")
    for user, name in (("mlflow", "grokwatch"), ("grokwatch", "mlflow"), ("mlflow", "postgres")):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(host=databases, user=user, dbname=name)


def test_users_of_databases_have_passwords_and_no_other_rights(databases: str) -> None:
    asked = (
        "SELECT rolname, rolsuper OR rolcreatedb OR rolcreaterole, rolpassword LIKE 'SCRAM-SHA-%'"
        " FROM pg_authid WHERE rolname IN ('mlflow', 'grokwatch') ORDER BY rolname"
    )
    with psycopg.connect(host=databases, user="postgres", dbname="postgres") as connection:
        rows = connection.execute(asked).fetchall()
    assert rows == [("grokwatch", False, True), ("mlflow", False, True)]


def test_databases_are_not_made_without_their_passwords(tmp_path: Path) -> None:
    script = compose.ROOT / "dashboards" / "postgres" / "databases.sh"
    given = {"PATH": os.environ["PATH"], "SECRETS_DIRECTORY": str(tmp_path)}
    done = subprocess.run([script], env=given, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"Expected a password in {tmp_path}/mlflow_database_password, got none" in done.stderr


@pytest.mark.slow
def test_mlflow_of_the_stack_keeps_runs_in_postgresql(databases: str, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    (tmp_path / "password").write_text("secret")
    address = f"http://127.0.0.1:{port}"
    with started(_mlflow(databases, tmp_path, port), settings("mlflow"), log) as process:
        assert healthy(f"{address}/health", process, log) == b"OK"
        found = f"{address}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        asked = urllib.request.Request(found, headers={"Host": "mlflow:5000"})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert b'"experiment_id": "0"' in answer.read()
        foreign = urllib.request.Request(found, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(foreign, timeout=20)
        refused.value.close()
        variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        assert b"PGPASSWORD=secret" in variables
        assert b"secret" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    with psycopg.connect(host=databases, user="mlflow", dbname="mlflow") as connection:
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    assert rows == [("Default", "mlflow-artifacts:/0")]


def _mlflow(host: str, folder: Path, port: int) -> list[str]:
    """MLflow's entrypoint and command, with the socket, port and files of the test."""
    shell, flag, script, name = SERVICES["mlflow"]["entrypoint"]
    changed = {
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=5000": f"--port={port}",
        "--artifacts-destination=/artifacts": f"--artifacts-destination={folder}/artifacts",
    }
    words = [changed.get(word, word) for word in SERVICES["mlflow"]["command"]]
    words = [word.replace("@postgres:5432/mlflow", f"@/mlflow?host={host}") for word in words]
    secret = "/run/secrets/mlflow_database_password"
    assert secret in script
    moved = script.replace(secret, str(folder / "password"))
    return [shell, flag, moved, name, *program(words)]
