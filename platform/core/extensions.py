"""Tables that packages outside Striate add to: the one place where both are merged.

The house's own tables are plain dictionaries. What is looked up goes through an `Extended` table,
which reads its dictionary and what extensions add, at the time it is asked: a name that is the
house's own, and that no extension claims, is found without importing any of them.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from striate.core.errors import ExtensionError, StriateError, UnknownName
from striate.core.extension_sources import KINDS, Extension, Offer, find_offers

Entry = TypeVar("Entry")


class Extended(Mapping[str, Entry]):
    """A table of the house together with what extensions add to it; a read-only mapping.

    Asking for a name raises `ExtensionError` where the extension that adds it cannot be used, or
    where two packages claim it; every other name goes on working.

    Args:
        kind: a key of `striate.core.extension_sources.KINDS`.
        own: the house's dictionary; read each time.
        of: what an entry must be an instance of; a function or class when None.
        returning: what a call of an entry must return; anything when None.
        named: the name that an entry has for itself, which must be the one that it is listed
            under; None where entries have none.
    """

    def __init__(
        self,
        kind: str,
        own: Mapping[str, Entry],
        *,
        of: type | None = None,
        returning: type | None = None,
        named: Callable[[Entry], str] | None = None,
    ) -> None:
        self.kind = kind
        self._noun = KINDS[kind]
        self._own = own
        self._of = of
        self._returning = returning
        self._named = named

    def __getitem__(self, name: str) -> Entry:
        offers = find_offers().of(self.kind).get(name, [])
        if not offers:
            return self._own[name]
        found = self._entry(offers[0])
        claims = [str(offer.extension) for offer in offers if offer.load() is not found]
        if name in self._own and self._own[name] is not found:
            claims.insert(0, "striate")
        if claims:
            raise self._clash(name, [*claims, str(offers[0].extension)])
        return self._checked_calls(offers[0], found)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in find_offers().of(self.kind)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._own, *sorted(find_offers().of(self.kind)))))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def find(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            UnknownName: there is none.
            ExtensionError: the extension that adds it, or may do so, cannot be used.
        """
        if name in self:
            return self[name]
        for problem in find_offers().problems:
            raise problem
        raise UnknownName.of(self._noun, name, self)

    def usable(self) -> dict[str, Entry]:
        """All entries, less those of extensions that cannot be used; the house's own stay."""
        found = dict(self._own)
        for name in find_offers().of(self.kind):
            with suppress(ExtensionError):
                found[name] = self[name]
        return found

    def problems(self) -> list[ExtensionError]:
        """What is wrong with what extensions add to this table; imports all of it."""
        wrong = []
        for name in find_offers().of(self.kind):
            try:
                self[name]
            except ExtensionError as error:
                wrong.append(error)
        return wrong

    def origin(self, name: str) -> Extension | None:
        """The extension that a name comes from; None for one of the house."""
        if name in self._own:
            return None
        offers = find_offers().of(self.kind).get(name)
        return offers[0].extension if offers else None

    def _entry(self, offer: Offer) -> Entry:
        """What is behind an offer, once it is known to be of the right type."""
        found = offer.load()
        good = callable(found) if self._of is None else isinstance(found, self._of)
        if not good:
            wanted = "a function" if self._of is None else f"a {self._name(self._of)}"
            raise self._wrong_type(offer, f"is a {type(found).__name__}", wanted)
        entry: Entry = found  # type: ignore[assignment]
        if self._named is not None and (own := self._named(entry)) != offer.name:
            raise ExtensionError(
                f"The extension {offer.extension} lists the {self._noun} {own!r} under the name"
                f" {offer.name!r}.",
                f"List it under its own name, {own!r}.",
            )
        return entry

    def _checked_calls(self, offer: Offer, entry: Entry) -> Entry:
        """The entry, with what it returns held against the type that it must be."""
        returning = self._returning
        if returning is None or not callable(entry):
            return entry
        function: Callable[..., object] = entry

        @functools.wraps(function, updated=())
        def call(*arguments: Any, **named: Any) -> object:
            try:
                found = function(*arguments, **named)
            except StriateError:
                raise
            except Exception as error:
                raise offer.extension.failed(f"The {self._noun} {offer.name!r}", error) from error
            if not isinstance(found, returning):
                said = f"returns a {type(found).__name__}"
                raise self._wrong_type(offer, said, f"a {self._name(returning)}")
            return found

        return call  # type: ignore[return-value]

    def _wrong_type(self, offer: Offer, said: str, wanted: str) -> ExtensionError:
        return ExtensionError(
            f"The {self._noun} {offer.name!r} of the extension {offer.extension} {said}, and must"
            f" {'return' if said.startswith('returns') else 'be'} {wanted}.",
            offer.extension.remedy,
        )

    def _clash(self, name: str, packages: list[str]) -> ExtensionError:
        both = " and ".join(packages)
        return ExtensionError(
            f"{both} each have a {self._noun} named {name!r}.",
            "Rename one of them, or uninstall the package that you do not need.",
        )

    @staticmethod
    def _name(kind: type | None) -> str:
        return kind.__name__ if kind else "value"
