"""How work that takes a while tells what it waits for."""

from collections.abc import Callable

OnProgress = Callable[[str], None]
"""Told in a few words what is waited for; whoever shows it adds the rest."""
