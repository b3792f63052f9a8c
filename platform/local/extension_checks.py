"""Whether what extensions add can be used: one check for each of them."""

from collections.abc import Sequence

from striate.core.errors import ExtensionError
from striate.core.extension_sources import Extension, Offer, Offers, find_offers, unknown_groups
from striate.core.extensions import Extended


def examine_extensions(commands: Extended[object]) -> list[tuple[str, str, list[ExtensionError]]]:
    """Import all that extensions add, and hold it against what it must be.

    Args:
        commands: the table of the command line.

    Returns:
        Of each extension its name, what it adds, and what is wrong; nothing without extensions.
    """
    found = find_offers()
    tables = {table.kind: table for table in _tables(commands)} if found.offers else {}
    checked = [_examined(one, found, tables) for one in _extensions(found)]
    wrong = [*found.problems, *unknown_groups()]
    return [*checked, *(("extension", problem.message, [problem]) for problem in wrong)]


def _extensions(found: Offers) -> list[Extension]:
    return list(dict.fromkeys(offer.extension for offer in found.offers))


def _tables(commands: Extended[object]) -> Sequence[Extended[object]]:
    """Every table that extensions add to; those of models and applications import torch."""
    from striate.accelerators.chips import ALL_CHIPS
    from striate.data.corpora import ALL_CORPORA
    from striate.data.pipelines.registry import ALL_PIPELINES
    from striate.models import ALL_MODELS
    from striate.serve.apps.app_kinds import ALL_APPS
    from striate.serve.common.service_table import ALL_SERVICES
    from striate.serve.predictors import ALL_PREDICTORS
    from striate.train.recipes import ALL_RECIPES
    from striate.train.tasks import ALL_TASKS

    return (
        ALL_CHIPS, ALL_CORPORA, ALL_PIPELINES, ALL_MODELS, ALL_APPS, ALL_SERVICES, ALL_RECIPES,
        ALL_TASKS, ALL_PREDICTORS, commands,
    )  # type: ignore[return-value]  # fmt: skip


def _examined(
    extension: Extension, found: Offers, tables: dict[str, Extended[object]]
) -> tuple[str, str, list[ExtensionError]]:
    offers = [offer for offer in found.offers if offer.extension == extension]
    kinds = dict.fromkeys(offer.kind for offer in offers)
    said = "; ".join(
        f"{kind} {', '.join(offer.name for offer in offers if offer.kind == kind)}"
        for kind in kinds
    )
    problems = [problem for offer in offers if (problem := _problem(offer, tables))]
    return f"extension {extension}", said, problems


def _problem(offer: Offer, tables: dict[str, Extended[object]]) -> ExtensionError | None:
    """What is wrong with one name; a recipe is made as well, since it takes nothing."""
    try:
        entry = tables[offer.kind][offer.name]
        if offer.kind == "recipes" and callable(entry):
            entry()
    except ExtensionError as error:
        return error
    return None
