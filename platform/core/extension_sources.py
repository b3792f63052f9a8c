"""What packages outside Striate add to it, and where they say so.

An installed package names what it adds in entry points (`striate.models`, `striate.recipes`, …),
which are read without importing it. A module that the settings or ``--module`` name has plain
dictionaries of the tables' own names (`MODELS`, `RECIPES`, …).
"""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from striate.core.errors import ExtensionError, nearest

GROUP = "striate."
KINDS = {
    "models": "model",
    "corpora": "corpus",
    "pipelines": "pipeline",
    "tasks": "task",
    "recipes": "recipe",
    "predictors": "predictor",
    "services": "service",
    "apps": "application",
    "chips": "chip",
    "commands": "command",
}
"""What an extension may add, and what one of them is called."""
REQUIRES = "REQUIRES_STRIATE"
"""The variable of a module that says which versions it is for, for example ``">=0.1,<0.2"``."""


@dataclass(frozen=True)
class Extension:
    """A package or module that adds to Striate.

    Attributes:
        name: of the package, as it is installed, or of the module.
        version: its own, or None for a module without ``__version__``.
        requires: of a module, the versions of Striate that it is for, as a version specifier;
            empty for any. A package says so in its metadata.
        module: whether it was named as a module, and is not known by entry points.
    """

    name: str
    version: str | None = None
    requires: str = ""
    module: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name

    def check_version(self) -> None:
        """Hold the versions of Striate that it is for against this one.

        Raises:
            ExtensionError: it was made for another.
        """
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        here = importlib.metadata.version("striate")
        wanted = self.requires if self.module else _required_by(self.name)
        try:
            good = SpecifierSet(wanted).contains(here, prereleases=True)
        except InvalidSpecifier:
            good = False
        if not good:
            raise ExtensionError(
                f"The extension {self} is for Striate {wanted}, and this is {here}.",
                f"Install a version of {self.name} that is for {here}.",
            )

    def failed(self, what: str, error: BaseException) -> ExtensionError:
        """One line on an error that its own code raised."""
        from pydantic import ValidationError

        from striate.core.validation import describe_invalid

        text = describe_invalid(error) if isinstance(error, ValidationError) else str(error)
        said = " ".join(f"{type(error).__name__}: {text}".split()).rstrip(".")
        return ExtensionError(
            f"{what} of the extension {self} fails: {said}.", _missing(error, self) or self.remedy
        )

    @property
    def remedy(self) -> str:
        """What can be done about one that does not work."""
        if self.module:
            return f"Mend the module {self.name}, or do not name it."
        return f"Mend or reinstall the package {self.name}, or uninstall it."


@dataclass(frozen=True)
class Offer:
    """One name that an extension adds to a table.

    Attributes:
        kind: the table, a key of `KINDS`.
        name: what it is asked for by.
        extension: who adds it.
        root: the module that it comes from.
        read: imports what is behind the name.
    """

    kind: str
    name: str
    extension: Extension
    root: str
    read: Callable[[], object]

    def load(self) -> object:
        """What is behind the name.

        Raises:
            ExtensionError: it cannot be imported, or is for another version of Striate.
        """
        self.extension.check_version()
        try:
            return self.read()
        except (Exception, SystemExit) as error:
            what = f"The {KINDS[self.kind]} {self.name!r}"
            raise self.extension.failed(what, error) from error


@dataclass(frozen=True)
class Offers:
    """What all extensions add, and what is wrong with those that cannot be asked."""

    offers: tuple[Offer, ...] = ()
    problems: tuple[ExtensionError, ...] = ()

    def of(self, kind: str) -> dict[str, list[Offer]]:
        """Those for one table, by name."""
        found: dict[str, list[Offer]] = {}
        for offer in self.offers:
            if offer.kind == kind:
                found.setdefault(offer.name, []).append(offer)
        return found


def use_modules(names: tuple[str, ...]) -> None:
    """Take modules as extensions in this process and in those that it starts.

    They may lie in the working folder, as those of ``python -m`` do.
    """
    if not names:
        return
    from striate.core.settings import ENVIRONMENT, Settings

    if (here := os.getcwd()) not in sys.path and "" not in sys.path:  # noqa: PTH109
        sys.path.append(here)
    known = dict.fromkeys((*Settings.load().modules, *names))
    os.environ[ENVIRONMENT["modules"]] = ",".join(known)


def find_offers() -> Offers:
    """What the installed packages and the named modules add.

    Raises:
        SettingsError: a setting is wrong, so that the modules are not known.
    """
    from striate.core.settings import Settings  # pydantic: `striate --help` waits for none

    installed = installed_offers()
    offers, problems = list(installed), []
    for name in Settings.load().modules:
        taken = {(offer.kind, offer.name) for offer in installed if offer.root == name}
        try:
            offers += _module_offers(name, taken)
        except ExtensionError as error:
            problems.append(error)
    return Offers(tuple(offers), tuple(problems))


def installed_offers() -> tuple[Offer, ...]:
    """What installed packages add, by their entry points; imports none of them."""
    return _installed(tuple(sys.path))


@cache
def _installed(path: tuple[str, ...]) -> tuple[Offer, ...]:
    del path  # a path that has changed since may lead to other packages
    return tuple(_entry_offers())


def _entry_offers() -> Iterator[Offer]:
    for distribution in _extending():
        extension = Extension(distribution.metadata["Name"], distribution.version)
        for entry in distribution.entry_points:
            kind = entry.group.removeprefix(GROUP)
            if entry.group.startswith(GROUP) and kind in KINDS:
                yield Offer(kind, entry.name, extension, entry.module.split(".")[0], entry.load)


def _extending() -> Iterator[importlib.metadata.Distribution]:
    """Installed packages with a group of Striate's; the first on the path of each name.

    Their texts are searched before they are parsed: `importlib.metadata.entry_points` parses those
    of every package, which took 11 to 23 ms of each command where this takes 3.
    """
    seen = set()
    for distribution in importlib.metadata.distributions():
        if f"[{GROUP}" not in (distribution.read_text("entry_points.txt") or ""):
            continue
        if (name := distribution.metadata["Name"]) not in seen:
            seen.add(name)
            yield distribution


def _missing(error: BaseException, extension: Extension) -> str:
    """What to do about a package that an extension requires and that is not here; else empty."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    if is_same_package(package, extension.name) or is_same_package(package, "striate"):
        return ""
    return (
        f"Install {package} here and on every node: what {extension.name} requires is not taken"
        " along to them."
    )


def is_same_package(one: str, other: str) -> bool:
    """Whether two names are those of one package, as indexes compare them (PEP 503).

    >>> is_same_package("My.own_model", "my-own-model")
    True
    """
    from packaging.utils import canonicalize_name

    return canonicalize_name(one) == canonicalize_name(other)


def _required_by(package: str) -> str:
    """What a package says of the versions of Striate that it needs."""
    from packaging.requirements import Requirement

    wanted = (Requirement(line) for line in importlib.metadata.requires(package) or ())
    return ",".join(
        str(one.specifier) for one in wanted
        if is_same_package(one.name, "striate") and one.specifier
        and (one.marker is None or one.marker.evaluate({"extra": ""}))
    )  # fmt: skip


def _module_offers(name: str, installed: set[tuple[str, str]]) -> list[Offer]:
    """What a module adds, less what its package adds by entry points as well.

    Raises:
        ExtensionError: it cannot be imported, or a table of it is none.
    """
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name.split(".")[0]:
            raise ExtensionError(
                f"There is no module {error.name} to extend Striate with.",
                "Install it, or give --module in the folder where it lies.",
            ) from None
        raise Extension(name, module=True).failed("The import", error) from error
    version = getattr(module, "__version__", None)
    requires = str(getattr(module, REQUIRES, ""))
    extension = Extension(name, version and str(version), requires, module=True)
    extension.check_version()
    offers = []
    for kind in KINDS:
        table = getattr(module, kind.upper(), {})
        if not isinstance(table, Mapping):
            raise ExtensionError(
                f"{kind.upper()} of the extension {extension} is a {type(table).__name__}, and"
                " must be a dictionary.",
                extension.remedy,
            )
        offers += [
            Offer(kind, str(key), extension, name.split(".")[0], lambda value=value: value)  # type: ignore[misc]
            for key, value in table.items()
            if (kind, key) not in installed
        ]
    return offers


def unknown_groups() -> list[ExtensionError]:
    """Groups of entry points that look like Striate's and are none: nobody reads them."""
    known = [GROUP + kind for kind in KINDS]
    return [
        ExtensionError(
            f"The package {distribution.metadata['Name']} has entry points of the group {group!r},"
            " which nobody reads.",
            nearest(group, known),
        )
        for distribution in _extending()
        for group in sorted({entry.group for entry in distribution.entry_points} - set(known))
        if group.startswith(GROUP)
    ]
