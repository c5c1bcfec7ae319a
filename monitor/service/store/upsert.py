"""Inserts that meet rows that are there already, in the words of each database."""

from collections.abc import Sequence

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.dml import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite.dml import Insert as SqliteInsert

from grokwatch.monitor.service.store.engine import Store


def insert_new(store: Store, table: Table) -> SqliteInsert | PostgresInsert:
    """An insert that leaves rows alone that are there."""
    return _insert(store, table).on_conflict_do_nothing()


def insert_or_replace(
    store: Store, table: Table, replaced: Sequence[str]
) -> SqliteInsert | PostgresInsert:
    """An insert that replaces columns of rows that are there by what is inserted."""
    statement = _insert(store, table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: statement.excluded[name] for name in replaced},
    )


def _insert(store: Store, table: Table) -> SqliteInsert | PostgresInsert:
    return sqlite.insert(table) if store.is_sqlite else postgresql.insert(table)
