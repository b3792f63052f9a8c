"""The table of deployed applications."""

from pathlib import Path

import pytest

from striate.core.errors import PlatformError
from striate.serve.table import TABLE_FILE, DeployedApp, Table, read_table, write_table

pytestmark = pytest.mark.unit


def entry(name: str, address: str = "127.0.0.1:1") -> DeployedApp:
    return DeployedApp(
        name=name,
        app="photos",
        serve_name=f"{name}.1",
        addresses=(address,),
        model_uri="models:/m/1",
        model="m",
        version="1",
        deployed_unix_s=0.0,
    )


def test_a_new_version_keeps_its_place() -> None:
    table = Table().with_app(entry("a")).with_app(entry("b")).with_app(entry("a", "127.0.0.1:2"))
    assert table.routes() == {"a": ("127.0.0.1:2",), "b": ("127.0.0.1:1",)}
    assert list(table.without("a").routes()) == ["b"]


def test_it_survives_the_disk(tmp_path: Path) -> None:
    assert read_table(tmp_path) == Table()
    table = Table(apps=(entry("a"),))
    write_table(tmp_path, table)
    assert read_table(tmp_path) == table


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / TABLE_FILE).write_text("{")
    with pytest.raises(PlatformError, match=TABLE_FILE):
        read_table(tmp_path)
