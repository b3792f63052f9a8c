"""The store's migrations, as Alembic runs them; `striate.serve.identities.migrate` does."""
