"""How Alembic runs a store's migrations; `striate.serve.sql.migrate` lets it."""
