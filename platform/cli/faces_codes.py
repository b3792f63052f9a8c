"""`striate faces codes`: codes of a network's descriptors, learnt and kept in its bundle."""

import tempfile
from pathlib import Path

import click

from striate.cli.output import json_option, print_json, print_line
from striate.cli.progress import stage
from striate.core.errors import UsageError
from striate.core.settings import Settings


@click.command(short_help="Learn 256-bit codes for a registered network.")
@click.argument("model")
@click.option("--shards", required=True, help="Folder or bucket of a corpus of identities.")
@click.option("--split", default="train", show_default=True, help="Whose faces are described.")
@json_option
def codes(model: str, shards: str, split: str, as_json: bool) -> None:
    """Learn 256-bit codes of the descriptors of a registered network, as its next version.

    A network needs them to be deployed: faces are compared by their codes. Learn them of the faces
    that it was trained on, or of more. Aliases that point at the version go to the next one.

    \b
    Example: striate faces codes models:/deepface-identities-mini@champion --shards shards/people
    """
    from striate.core.registry import fetch, promote, register
    from striate.core.tracking import tracking_uri_of
    from striate.train.faces.code_bundle import add_codes
    from striate.train.faces.described import describe_split
    from striate.train.tracking.mlflow_run import LOADER_MODULE

    settings = Settings.load()
    bundle, version = fetch(model, settings)
    if version is None or version.run_id is None:
        raise UsageError(f"{model} is no registered model.", "Give models:/NAME@ALIAS.")
    uri = tracking_uri_of(settings)
    with stage("Learning codes") as told, tempfile.TemporaryDirectory() as folder:
        faces = describe_split(bundle, shards, split)
        told.tell(state=f"{len(faces.descriptors):,} faces")
        coded = add_codes(bundle, faces.descriptors, Path(folder) / "bundle")
        made = register(
            coded, version.name, version.run_id, uri, LOADER_MODULE,
            evaluated_on=version.evaluated_on,
        )  # fmt: skip
    for alias in version.aliases:
        made = promote(made.name, made.version, alias, uri)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        called = f", {' and '.join(made.aliases)}" if made.aliases else ""
        print_line(f"{made.name} version {made.version}{called}, has codes of its descriptors.")
