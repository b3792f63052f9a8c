"""Run by Alembic, with what `striate.serve.sql.migrate` hands over."""

from alembic import context

if hasattr(context, "config"):  # it has one while Alembic runs this, and not for who imports it
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=context.config.attributes["metadata"],
        version_table=context.config.attributes["version_table"],
        render_as_batch=True,  # SQLite alters a table by copying it
    )
    with context.begin_transaction():
        context.run_migrations()
