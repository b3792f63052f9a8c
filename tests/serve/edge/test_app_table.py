"""The table of deployed applications."""

from pathlib import Path

import pytest

from striate.core.errors import PlatformError
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.edge.app_table import (
    HISTORY,
    TABLE_FILE,
    AppTable,
    DeployedApp,
    read_table,
    write_table,
)

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
    table = AppTable().with_app(entry("a")).with_app(entry("b")).with_app(entry("a", "127.0.0.1:2"))
    found = [(route.name, route.stable.addresses) for route in table.routes()]
    assert found == [("a", ("127.0.0.1:2",)), ("b", ("127.0.0.1:1",))]
    assert [route.name for route in table.without("a").routes()] == ["b"]


@pytest.mark.parametrize(("percent", "share"), [(0, 0), (10, 1000), (0.5, 50), (100, 10_000)])
def test_a_version_on_trial_takes_its_share(percent: float, share: int) -> None:
    trying = entry("a").trying(entry("a", "127.0.0.1:2"), percent)
    (route,) = AppTable(apps=(trying,)).routes()
    assert route.share == share
    assert route.stable.addresses == ("127.0.0.1:1",)
    assert route.canary.addresses == ("127.0.0.1:2",)
    assert trying.settled() == entry("a")


def test_calls_wait_longer_where_no_replica_may_be_there() -> None:
    (warm, cold) = (entry("a").model_copy(update={"replicas": r}).route() for r in (1, "0:4"))
    assert cold.hold_s > warm.hold_s


def test_declarations_come_back_whole(tmp_path: Path) -> None:
    """Scopes of methods among them: processes without the service's package go by the table."""
    spec = ServiceSpec(
        "a.B", "b", "a_pb2", ("Chat",), {"Get": {"id": 1}}, method_scopes={"Drop": "own"}
    )
    write_table(tmp_path, AppTable(apps=(entry("a").model_copy(update={"declared": (spec,)}),)))
    ((read,),) = (app.declared for app in read_table(tmp_path).apps)
    assert (read, read.method_scopes) == (spec, {"Drop": "own"})


def test_history_is_what_ran_before_the_latest_last_and_has_an_end() -> None:
    running = entry("a")
    for number in range(2, HISTORY + 4):
        new = entry("a").model_copy(update={"version": str(number)})
        running = running.trying(new, 10).followed_by(new)
    assert running.canary is None
    assert [former.version for former in running.history] == [
        str(number) for number in range(3, HISTORY + 3)
    ]
    assert not any(former.history or former.canary for former in running.history)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    assert read_table(tmp_path) == AppTable()
    new = entry("a", "127.0.0.1:2")
    table = AppTable(apps=(entry("a").followed_by(new).trying(entry("a"), 10), entry("b")))
    write_table(tmp_path, table)
    assert read_table(tmp_path) == table


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / TABLE_FILE).write_text("{")
    with pytest.raises(PlatformError, match=TABLE_FILE):
        read_table(tmp_path)
