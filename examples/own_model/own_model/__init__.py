"""A package of one's own: what it adds to Striate stands in its pyproject.toml."""
