"""Programs on disk: JSON for what they are, safetensors for their numbers, a hash over each."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from striate.accelerators.ir.layers import (
    FloatLayer,
    IntegerLayer,
)
from striate.core.errors import BundleError
from striate.core.files import atomic_folder, sha256_of

FORMAT_VERSION = 1
SPEC_FILE = "program.json"
NUMBERS_FILE = "program.safetensors"
_REMEDY = "Compile the program again."


def write_program(
    folder: Path,
    info: Mapping[str, Any],
    chip: Sequence[IntegerLayer],
    host: Sequence[FloatLayer],
) -> None:
    """Write a program to `folder`, whole or not at all; one that is there is replaced.

    Raises:
        PlatformError: the disk is full.
    """
    numbers: dict[str, Tensor] = {}
    on_chip = [_take_apart(layer, numbers) for layer in chip]
    on_host = [_take_apart(layer, numbers) for layer in host]
    with atomic_folder(folder) as temporary:
        save_file(numbers, temporary / NUMBERS_FILE)
        content = {
            "format_version": FORMAT_VERSION,
            "info": dict(info),
            "chip": on_chip,
            "host": on_host,
            "numbers_sha256": sha256_of(temporary / NUMBERS_FILE),
        }
        document = {**content, "sha256": _digest(content)}
        (temporary / SPEC_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_program(folder: Path) -> tuple[dict[str, Any], list[IntegerLayer], list[FloatLayer]]:
    """Read a program and check its hashes.

    Raises:
        BundleError: no program, another format version, or a damaged file; names the file.
    """
    content = _read_document(folder)
    numbers_file = folder / NUMBERS_FILE
    if not numbers_file.is_file() or sha256_of(numbers_file) != content["numbers_sha256"]:
        raise BundleError(f"{NUMBERS_FILE} of the program {folder.name} is damaged.", _REMEDY)
    numbers = load_file(numbers_file)
    chip = [IntegerLayer(**_put_together(entry, numbers)) for entry in content["chip"]]
    host = [FloatLayer(**_put_together(entry, numbers)) for entry in content["host"]]
    info: dict[str, Any] = content["info"]
    return info, chip, host


def _read_document(folder: Path) -> dict[str, Any]:
    file = folder / SPEC_FILE
    if not file.is_file():
        raise BundleError(
            f"{folder} is no program: it has no {SPEC_FILE}.",
            "Make one with: striate chips compile.",
        )
    try:
        document = json.loads(file.read_bytes())
        digest = document.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BundleError(
            f"{SPEC_FILE} of the program {folder.name} is damaged.", _REMEDY
        ) from None
    if document.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"The program {folder.name} has format version {document.get('format_version')!r}; "
            f"this Striate reads {FORMAT_VERSION}.",
            _REMEDY,
        )
    if digest != _digest(document):
        raise BundleError(f"{SPEC_FILE} of the program {folder.name} is damaged.", _REMEDY)
    return dict(document)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _take_apart(layer: IntegerLayer | FloatLayer, numbers: dict[str, Tensor]) -> dict[str, Any]:
    """The layer's plain fields; its tensors go to `numbers` under ``layer.field``."""
    plain: dict[str, Any] = {}
    for field in fields(layer):
        value = getattr(layer, field.name)
        if isinstance(value, Tensor):
            numbers[f"{layer.name}.{field.name}"] = value.contiguous().clone()
        else:
            plain[field.name] = value
    return plain


def _put_together(plain: Mapping[str, Any], numbers: Mapping[str, Tensor]) -> dict[str, Any]:
    prefix = f"{plain['name']}."
    mine = {key[len(prefix) :]: t for key, t in numbers.items() if key.startswith(prefix)}
    return {**plain, **mine}
