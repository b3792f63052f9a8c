"""`striate models`: registered versions, their aliases and figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from striate.cli.number_options import COUNT
from striate.cli.numbers import format_metric, format_score
from striate.cli.output import (
    console,
    format_time,
    json_option,
    print_json,
    print_note,
    print_table,
    wide_option,
)
from striate.cli.tables import Column, Table, facts, show_id
from striate.core.errors import UsageError
from striate.core.settings import Settings

if TYPE_CHECKING:  # pydantic's models are made when a command needs them
    from striate.core.bundle import Architecture, BundleSpec, TensorSpec
    from striate.core.model_version import ModelVersion


@click.group()
def models() -> None:
    """List, show and promote registered models.

    \b
    Example: striate models ls
    """


@models.command("ls")
@click.argument("name", required=False)
@wide_option
@json_option
def list_models(name: str | None, as_json: bool) -> None:
    """List all registered versions, or those of NAME.

    \b
    Example: striate models ls lenet5-digits
    """
    from striate.core.registry import list_versions
    from striate.core.tracking import tracking_uri_of

    versions = list_versions(tracking_uri_of(Settings.load()), name)
    if as_json:
        print_json([version.model_dump(mode="json") for version in versions])
        return
    if not versions:
        print_note("No model is registered; `striate train` registers one.")
        return
    print_table(models_table(versions))


@models.command()
@click.argument("model_uri", metavar="MODEL")
@wide_option
@json_option
def show(model_uri: str, as_json: bool) -> None:
    """Show what a bundle says of itself.

    MODEL is NAME, a model URI or a bundle's folder.

    \b
    Example: striate models show models:/lenet5-digits@champion
    """
    from pathlib import Path

    from striate.core.registry import CHAMPION, fetch

    if ":/" not in model_uri and "/" not in model_uri and not Path(model_uri).is_dir():
        model_uri = f"models:/{model_uri}@{CHAMPION}"
    bundle, version = fetch(model_uri, Settings.load())
    spec = bundle.spec
    if as_json:
        registered = version.model_dump(mode="json") if version else None
        print_json({"version": registered, "bundle": spec.model_dump(mode="json")})
        return
    print_table(model_table(model_uri, spec, version))


def models_table(versions: "Sequence[ModelVersion]") -> Table:
    """Registered versions for people."""
    columns = (
        Column("model", 0), Column("version", 0, show=show_id), Column("aliases", 1, folds=True),
        Column("top-1", 2, show=format_score), Column("registered", 3), Column("run", 4),
    )  # fmt: skip
    rows = [
        (
            version.name,
            version.version,
            ", ".join(version.aliases),
            version.metrics.get("top1"),
            format_time(version.created_unix_s),
            version.run_id and version.run_id[:10],
        )
        for version in versions
    ]
    return Table("models", columns, rows)


def model_table(title: str, spec: "BundleSpec", version: "ModelVersion | None") -> Table:
    """What a bundle says of itself, for people."""
    from striate.train.tracking.metric_names import display_name

    origin = spec.provenance
    rows = [
        ("registered as", version.uri if version else None),
        ("aliases", ", ".join(version.aliases) if version else None),
        ("architecture", _architecture(spec.architecture)),
        ("task", spec.task),
        *_tensor_rows("input", spec.inputs),
        *_tensor_rows("output", spec.outputs),
        ("labels", ", ".join(spec.labels[:12]) + (", …" if len(spec.labels) > 12 else "")),
        ("preprocessing", ", ".join(str(step["op"]) for step in spec.preprocessing)),
        *(
            (f"held-out {display_name(key)}", format_metric(key, value))
            for key, value in origin.metrics.items()
        ),
        ("recipe", origin.recipe),
        ("run", origin.run_id),
        ("data manifest", origin.data_manifest_sha256),
        ("made by", origin.source_revision),
    ]
    return facts(title, rows)


@models.command()
@click.argument("name")
@click.argument("version", type=COUNT)
@click.option("--alias", default="champion", show_default=True, help="The alias to set.")
@json_option
def promote(name: str, version: int, alias: str, as_json: bool) -> None:
    """Point an alias of NAME at VERSION, and show what changes.

    What is deployed runs on with the version that it was deployed with, and is named.

    \b
    Example: striate models promote lenet5-digits 2 --alias champion
    """
    from striate.core.model_version import describe_move
    from striate.core.registry import list_versions
    from striate.core.registry import promote as set_alias
    from striate.core.tracking import tracking_uri_of
    from striate.serve.deployment.followed_aliases import apps_behind
    from striate.serve.edge.app_table import edge_folder, read_table

    if not alias or any(c in alias for c in "/@: "):
        raise UsageError(f"{alias!r} is no alias.", "Use letters, digits and dashes.")
    settings = Settings.load()
    tracking_uri = tracking_uri_of(settings)
    before = list_versions(tracking_uri, name)
    former = next((one for one in before if alias in one.aliases), None)
    promoted = set_alias(name, version, alias, tracking_uri)
    if as_json:
        print_json(promoted.model_dump(mode="json"))
        return
    behind = apps_behind(
        read_table(edge_folder(settings.home)).apps, {f"models:/{name}@{alias}": version}
    )
    for line in (*describe_move(alias, promoted, former), *map(str, behind)):
        console.print(line, markup=False, soft_wrap=True)


def _architecture(architecture: "Architecture") -> str:
    """Its name, and where it comes from if that is not Striate itself."""
    if architecture.package == "striate":
        return architecture.name
    origin = f"{architecture.package} {architecture.version or ''}".strip()
    return f"{architecture.name} of {origin}"


def _tensor_rows(what: str, tensors: "Mapping[str, TensorSpec]") -> list[tuple[str, str]]:
    """A line for each tensor, with its name where there are several."""
    return [
        (
            what if len(tensors) == 1 else f"{what} {name}",
            f"{spec.dtype} {spec.layout} {'×'.join(map(str, spec.shape))}".strip(),
        )
        for name, spec in tensors.items()
    ]
