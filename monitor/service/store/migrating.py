"""Migrations: an older store brought up to date by Alembic, which loads only where there is one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that are missing, within the connection's transaction.

    Args:
        connection: to the store.
        revision: up to which one.
    """
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)
