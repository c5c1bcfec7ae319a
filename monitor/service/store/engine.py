"""Opening the store: SQLite in WAL mode by default, PostgreSQL by address; schema checked first."""

import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from grokwatch.monitor.errors import ConfigurationError, JournalError, SchemaError, StoreError
from grokwatch.monitor.folder import create, make_private
from grokwatch.monitor.service.store.tables import metadata

HEAD = "0001"
"""The newest migration that this version knows."""

_BUSY_MILLISECONDS = 30_000


@final
class Store:
    """Connections to the store, and the clock that its processes share.

    Args:
        engine: of SQLAlchemy, its schema up to date.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits at the end, or rolls back on an error.

        Raises:
            StoreError: the database failed.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StoreError(_failed(error)) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view, in which nothing is written.

        Raises:
            StoreError: the database failed.
        """
        try:
            with self.engine.connect() as connection:
                if self.is_sqlite:
                    yield connection.execution_options(is_reading=True)
                else:
                    yield connection.execution_options(isolation_level="REPEATABLE READ")
        except SQLAlchemyError as error:
            raise StoreError(_failed(error)) from error

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch by the clock that all processes at this store share."""
        if self.is_sqlite:
            return time.time()
        clock = select(func.extract("epoch", func.clock_timestamp()))
        return float(connection.execute(clock).scalar_one())

    def close(self) -> None:
        """Let go of connections."""
        self.engine.dispose()


def open_store(address: str) -> Store:
    """Open the store, with its schema made or brought up to date.

    Args:
        address: `sqlite:///PATH`, or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Returns:
        The store.

    Raises:
        ConfigurationError: no such address.
        SchemaError: a newer version of grokwatch wrote it.
        StoreError: it cannot be opened.
    """
    store = Store(_engine(address))
    try:
        _prepare(store)
    except SQLAlchemyError as error:
        store.close()
        raise StoreError(_failed(error)) from error
    except SchemaError:
        store.close()
        raise
    return store


def _engine(address: str) -> Engine:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # of a port that is no number
        url = None
    kind = url.get_backend_name() if url else "something else"
    if url is None or kind not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            "Expected a store as sqlite:///PATH or postgresql://HOST/DATABASE, got "
            f"{kind}. Try sqlite:///.grokwatch/service.db."
        )
    if kind == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    _make_file(url.database)
    engine = create_engine(
        url.set(drivername="sqlite"),
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": 30},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(database: str | None) -> None:
    """Make the file and its folder, for their owner alone."""
    if not database or database == ":memory:":
        msg = "Expected a store in a file, got one in memory. Try sqlite:///.grokwatch/service.db."
        raise ConfigurationError(msg)
    path = Path(database)
    try:
        make_private(path.parent)
        if not path.exists():  # opening a file that is in use would let go of its locks
            os.close(create(path))
    except (JournalError, OSError) as error:
        msg = f"Expected a store's file that can be written, got {error}. Try another folder."
        raise StoreError(msg) from error


def _set_up_sqlite(connection: object, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]  # DBAPI connections have no type
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that began by reading could not wait for it later.
    is_reading = connection.get_execution_options().get("is_reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _prepare(store: Store) -> None:
    """Make the tables, or bring them up to date, or refuse."""
    with store.engine.connect() as connection:
        if not store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(7460427)"))
        found = _version(connection)
        if found is None:
            _refuse_others(connection)
            metadata.create_all(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
            connection.execute(text(f"INSERT INTO alembic_version VALUES ('{HEAD}')"))
        elif found > HEAD:
            msg = (
                f"Expected a store of schema {HEAD} or older, got {found}. "
                "Try the version of grokwatch that wrote it, or a newer one."
            )
            raise SchemaError(msg)
        elif found < HEAD:
            _migrate(connection)
        connection.commit()


def _version(connection: Connection) -> str | None:
    """Which migration the store is at; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _refuse_others(connection: Connection) -> None:
    """Refuse a database in which another program keeps tables of these names."""
    others = sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if others:
        msg = f"Expected an empty store or one of grokwatch, got tables {', '.join(others)} "
        raise SchemaError(msg + "of another program. Try a file or database of its own.")


def _migrate(connection: Connection) -> None:
    """Run the migrations that are missing; their library takes long to load, so only here."""
    importlib.import_module("grokwatch.monitor.service.store.migrating").upgrade(connection)


def _failed(error: SQLAlchemyError) -> str:
    """What failed, without parameters, which may hold anything."""
    cause = getattr(error, "orig", None) or type(error).__name__
    return f"Expected the store to answer, got {cause}. Try `grokwatch serve --check`."
