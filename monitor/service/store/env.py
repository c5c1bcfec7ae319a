"""What Alembic runs: migrations over the connection that `migrating.upgrade` was given."""

from alembic import context

from grokwatch.monitor.service.store.tables import metadata

if hasattr(context, "config"):  # only while Alembic runs; tools that look for examples import this
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,
    )
    context.run_migrations()
