import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select, text

from grokwatch.monitor.errors import ConfigurationError, GrokwatchError, SchemaError, StoreError
from grokwatch.monitor.service.store.engine import HEAD, Store, open_store
from grokwatch.monitor.service.store.migrating import upgrade
from grokwatch.monitor.service.store.tables import metadata, runs
from tests.service_runs import opened


def migrated(address: str) -> Store:
    """A store made by migrations alone."""
    if address.startswith("sqlite"):
        Path(address.removeprefix("sqlite:///")).parent.mkdir()
    dialect = "postgresql+psycopg" if address.startswith("postgresql") else "sqlite"
    store = Store(create_engine(dialect + address[address.index(":") :]))
    with store.engine.begin() as connection:
        upgrade(connection)
    return store


@pytest.mark.parametrize("is_migrated", [False, True])
def test_tables_and_migrations_say_the_same(address: str, is_migrated: bool) -> None:
    if is_migrated:
        migrated(address).close()
    with opened(address) as store, store.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        assert found == HEAD
        indexes = {
            index["name"]
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
        }
        named = {index.name for table in metadata.tables.values() for index in table.indexes}
        assert indexes == named


def test_a_store_of_a_newer_version_is_refused(address: str) -> None:
    with opened(address) as store, store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="Expected a store of schema 0001 or older, got 9999"):
        open_store(address)


def test_tables_of_another_program_are_left_alone(address: str) -> None:
    with opened(address) as store, store.writing() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        connection.execute(text("CREATE TABLE runs (name TEXT)"))
    with pytest.raises(SchemaError, match="got tables runs of another program"):
        open_store(address)


def test_processes_that_open_a_store_at_once_make_it_once(address: str) -> None:
    errors: list[GrokwatchError] = []

    def open_and_close() -> None:
        try:
            open_store(address).close()
        except GrokwatchError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_and_close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    open_store(address).close()


def test_a_transaction_is_kept_whole_or_not_at_all(address: str) -> None:
    row = {"run_id": "a", "source": "push", "started": 0.0, "seen": 0.0}
    with opened(address) as store:
        with contextlib.suppress(RuntimeError), store.writing() as connection:
            connection.execute(runs.insert(), row)
            raise RuntimeError
        with store.reading() as connection:
            assert connection.execute(select(runs)).all() == []


def test_a_reader_sees_one_instant(address: str) -> None:
    row = {"run_id": "a", "source": "push", "started": 0.0, "seen": 0.0}
    with opened(address) as store, store.reading() as reading:
        assert reading.execute(select(runs)).all() == []
        with store.writing() as connection:
            connection.execute(runs.insert(), row)
        assert reading.execute(select(runs)).all() == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_folder_and_file_are_the_owners_alone_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    program = (
        "import os, sys; os.umask(int(sys.argv[1])); "
        "from grokwatch.monitor.service.store.engine import open_store; "
        "open_store(f'sqlite:///{sys.argv[2]}').close()"
    )
    file = tmp_path / "private" / "service.db"
    run_python(program, str(umask), str(file))
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for each in file.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


def run_python(program: str, *arguments: str) -> None:

    subprocess.run([sys.executable, "-c", program, *arguments], check=True)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "got something else. Try sqlite:///"),
        ("mysql://user:secret@host/d?password=secret", "got mysql. Try sqlite:///"),
        ("postgresql://host:port/d", "got something else. Try sqlite:///"),
        ("sqlite://", "Expected a store in a file, got one in memory"),
        ("sqlite:///:memory:", "Expected a store in a file, got one in memory"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(
    address: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(address)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_empty_file_becomes_a_store_and_another_file_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    open_store(f"sqlite:///{tmp_path}/empty.db").close()
    other = tmp_path / "other.db"
    other.write_text("not a database, but long enough to be told from an empty one" * 100)
    before = other.read_bytes()
    with pytest.raises(StoreError, match="got file is not a database"):
        open_store(f"sqlite:///{other}")
    assert other.read_bytes() == before


@pytest.mark.parametrize("kind", ["link", "file for a folder"])
def test_a_file_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    folder = tmp_path / ("link" if kind == "link" else "file")
    with pytest.raises(StoreError, match="Expected a store's file that can be written, got"):
        open_store(f"sqlite:///{folder}/service.db")


def test_a_store_that_is_away_says_so_without_its_password() -> None:
    with pytest.raises(StoreError, match="Expected the store to answer, got") as caught:
        open_store("postgresql://user:secret@127.0.0.1:1/database")
    assert "secret" not in str(caught.value)


def test_a_store_that_goes_away_says_so(tmp_path: Path) -> None:
    file = tmp_path / "service.db"
    with opened(f"sqlite:///{file}") as store:
        blocker = sqlite3.connect(file, isolation_level=None)
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        blocker.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(StoreError, match="got database is locked"),
            store.writing(),
        ):
            pass
        blocker.close()
        with store.writing() as connection:
            assert connection.execute(select(runs)).all() == []


def test_a_commit_of_sqlite_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/store/service.db") as store, store.reading() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
