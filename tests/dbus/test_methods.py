"""Every method, property and signal of the service, its errors, and its introspection against the XML files."""

from __future__ import annotations

import asyncio
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from message_bus import BusClient, MessageBus, Play, Program

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.fields import Typed

FILES = Path(__file__).parents[2] / "dbus"

pytestmark = pytest.mark.usefixtures("service")


def root_only(play: Play) -> None:
    import os

    if os.geteuid() != 0:
        pytest.skip("without polkit only root may do this")


def error_of(play: Play, member: str, signature: str = "", *body: Any, **options: Any) -> BusError:
    async def scenario(client: BusClient) -> BusError:
        interface = options.pop("interface", names.MANAGER)
        with pytest.raises(BusError) as caught:
            await client.call(interface, member, signature, *body, **options)
        assert "Traceback" not in str(caught.value)
        assert ".py" not in str(caught.value)
        return caught.value

    error: BusError = play(scenario)
    return error


def canonical(element: ElementTree.Element) -> Any:
    """An element without whitespace and comments."""
    return element.tag, sorted(element.attrib.items()), [canonical(e) for e in element]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (names.MANAGER, names.PATH),
        (names.EXPECTATIONS, names.PATH),
        (names.HELPER, names.helper_path("a.b-c")),
        (names.WORKER, names.worker_path(1000)),
    ],
)
def test_introspection_matches_the_xml_file(play: Play, name: str, path: str) -> None:
    async def scenario(client: BusClient) -> str:
        (text,) = await client.call(names.INTROSPECTABLE, "Introspect", path=path)
        return str(text)

    shown = ElementTree.fromstring(play(scenario))
    (live,) = [i for i in shown if i.get("name") == name]
    (file,) = ElementTree.fromstring((FILES / f"{name}.xml").read_text())
    assert canonical(live) == canonical(file)


def test_introspection_leads_from_the_root_to_the_objects(play: Play) -> None:
    async def scenario(client: BusClient) -> list[str]:
        path, levels = "", []
        for _ in range(6):
            (text,) = await client.call(names.INTROSPECTABLE, "Introspect", path=path or "/")
            nodes = [n.get("name", "") for n in ElementTree.fromstring(text) if n.tag == "node"]
            levels.append(",".join(nodes))
            path = f"{path}/{nodes[0]}"
        return levels

    assert play(scenario) == ["io", "github", "fwhelpers", "FwHelpers1", "helpers,workers",
                              "a_2eb_2dc,ftp,rpc"]  # fmt: skip


def test_the_object_manager_lists_helpers_and_workers(play: Play) -> None:
    async def scenario(client: BusClient) -> Any:
        (objects,) = await client.call(names.OBJECT_MANAGER, "GetManagedObjects")
        return objects

    objects = play(scenario)
    assert sorted(objects) == sorted(
        [names.helper_path(n) for n in ("ftp", "rpc", "a.b-c")] + [names.worker_path(1000)]
    )
    ftp = objects[names.helper_path("ftp")][names.HELPER]
    assert (ftp["Name"], ftp["Enabled"], ftp["Ports"]) == ("ftp", True, [21, 2121])
    assert ftp["Counters"] == {"expected": 3, "refused": 1}
    assert objects[names.worker_path(1000)][names.WORKER]["Pid"] == 77


def test_properties_can_be_read(play: Play) -> None:
    async def scenario(client: BusClient) -> Any:
        (version,) = await client.call(names.PROPERTIES, "Get", "ss", names.MANAGER, "Version")
        (everything,) = await client.call(names.PROPERTIES, "GetAll", "s", names.MANAGER)
        (nothing,) = await client.call(names.PROPERTIES, "GetAll", "s", names.PEER)
        return version, everything, nothing

    version, everything, nothing = play(scenario)
    assert version == "9"
    assert everything == {"Version": "9", "EnabledHelpers": ["ftp"], "Problems": {"rpc": "no"},
                          "Steering": "rules", "FailMode": "open"}  # fmt: skip
    assert nothing == {}


def test_everybody_may_read_the_state(play: Play) -> None:
    async def scenario(client: BusClient) -> Any:
        (helpers,) = await client.manager("ListHelpers")
        (ftp,) = await client.manager("GetHelper", "s", "ftp")
        (plugins,) = await client.manager("ListPlugins")
        counters, workers = await client.manager("GetCounters")
        return helpers, ftp, plugins, counters, workers

    helpers, ftp, plugins, counters, workers = play(scenario)
    assert [helper["name"] for helper in helpers] == ["ftp", "rpc", "a.b-c"]
    assert ftp == helpers[0]
    assert ftp["policies"] == [{"name": "data", "max": 1, "timeout": 60, "min_port": 1024}]
    assert plugins[0]["module"] == "m"
    assert counters["ftp"] == {"expected": 3, "refused": 1}
    assert workers[0]["queue"] == 1000


def test_text_of_plugins_is_made_valid(play: Play) -> None:
    async def scenario(client: BusClient) -> str:
        (helper,) = await client.manager("GetHelper", "s", "a.b-c")
        return str(helper["description"])

    assert play(scenario) == "§ 1 … \ufffd ?"
    assert str(error_of(play, "GetHelper", "s", "ü")) == r"no helper '\xfc'; known: ftp, rpc, a.b-c"


def test_enabling_and_disabling_emits_signals(play: Play) -> None:
    root_only(play)

    async def scenario(client: BusClient) -> Any:
        await client.listen()
        options = {"persist": Typed("b", True)}
        (enabled,) = await client.manager("EnableHelper", "sa{sv}", "rpc", options)
        (disabled,) = await client.manager("DisableHelper", "sa{sv}", "ftp", {})
        replaced = await client.wait_signal("RulesetReplaced")
        changed = await client.wait_signal(
            "PropertiesChanged", lambda s: s.path == names.helper_path("rpc")
        )
        (ruleset,) = await client.manager("GetRuleset")
        (findings,) = await client.manager("CheckKernel")
        return enabled, disabled, replaced, changed, ruleset, findings

    enabled, disabled, replaced, changed, ruleset, findings = play(scenario)
    assert enabled == {"name": "rpc", "enabled": True, "drop_in": "/file"}
    assert disabled == {"name": "ftp", "enabled": False, "drop_in": ""}
    assert replaced.body == ({"helpers": ["ftp", "rpc"]},)
    assert changed.body == (names.HELPER, {"Enabled": True}, [])
    assert ruleset.startswith("table inet fwhelpers")
    assert findings == [{"name": "rights", "ok": True, "detail": "all", "hint": ""}]


def test_events_of_the_daemon_are_signalled(service: Program, play: Play) -> None:
    async def scenario(client: BusClient) -> Any:
        await client.listen()
        service.command(do="restart-worker")
        service.command(do="fail-helper")
        service.command(do="remove-helper")
        restarted = await client.wait_signal("WorkerRestarted")
        failed = await client.wait_signal("HelperFailed")
        removed = await client.wait_signal("InterfacesRemoved")
        worker = await client.wait_signal("PropertiesChanged")
        return restarted, failed, removed, worker

    restarted, failed, removed, worker = play(scenario)
    assert restarted.body == (names.worker_path(1000), {"reason": "died of SIGKILL"})
    assert failed.body == ("rpc", {"reason": "a bug"})
    assert removed.body == (names.helper_path("rpc"), [names.HELPER])
    assert worker.body == (names.WORKER, {"Restarts": 1}, [])


@pytest.mark.parametrize(
    ("error", "member", "arguments"),
    [
        (names.NO_SUCH_HELPER, "GetHelper", ("s", "no\nsuch")),
        (names.UNKNOWN_METHOD, "Nothing", ()),
        (names.INVALID_ARGS, "GetHelper", ("u", 5)),
        (names.INVALID_ARGS, "ListHelpers", ("s", "x")),
    ],
)
def test_errors_without_authorization(play: Play, error: str, member: str, arguments: Any) -> None:
    assert error_of(play, member, *arguments).name == error


def test_errors_of_enabling_and_reloading(play: Play) -> None:
    root_only(play)
    switch = ("EnableHelper", "sa{sv}")
    assert error_of(play, *switch, "nosuch", {}).name == names.NO_SUCH_HELPER
    error = error_of(play, *switch, "ftp", {"persit": Typed("b", True)})
    assert (error.name, str(error)) == (
        names.INVALID_ARGS, "unknown option 'persit'; did you mean persist?",
    )  # fmt: skip
    error = error_of(play, *switch, "ftp", {"persist": Typed("s", "yes")})
    assert (error.name, str(error)) == (names.INVALID_ARGS, "option persist: must be a boolean")
    error = error_of(play, "Reload", "a{sv}", {})
    assert (error.name, str(error)) == (
        names.INVALID_CONFIGURATION, "fwhelpers.toml: daemon.x: unknown key",
    )  # fmt: skip


def test_the_traceback_of_a_bug_is_not_sent_to_the_caller(service: Program, play: Play) -> None:
    root_only(play)
    error = error_of(play, "EnableHelper", "sa{sv}", "broken", {})
    assert (error.name, str(error)) == (names.FAILED, "internal error, see the service's log")
    service.wait_line("ZeroDivisionError: a bug")


@pytest.mark.parametrize(
    ("error", "interface", "member", "arguments", "path"),
    [
        (names.UNKNOWN_OBJECT, names.MANAGER, "ListHelpers", (), names.PATH + "/nothing"),
        (names.UNKNOWN_OBJECT, names.PEER, "Ping", (), "/org"),
        (names.UNKNOWN_INTERFACE, names.HELPER, "X", (), names.PATH),
        (names.UNKNOWN_INTERFACE, names.MANAGER, "ListHelpers", (), "/io/github"),
        (names.UNKNOWN_PROPERTY, names.PROPERTIES, "Get", ("ss", names.MANAGER, "X"), names.PATH),
        (names.UNKNOWN_INTERFACE, names.PROPERTIES, "GetAll", ("s", "a.b"), names.PATH),
        (names.READ_ONLY, names.PROPERTIES, "Set",
         ("ssv", names.MANAGER, "Version", Typed("s", "1")), names.PATH),
    ],
)  # fmt: skip
def test_errors_of_the_standard_interfaces(
    play: Play, error: str, interface: str, member: str, arguments: Any, path: str
) -> None:
    assert error_of(play, member, *arguments, interface=interface, path=path).name == error


def test_a_change_is_completed_even_if_the_caller_leaves(
    service: Program, bus: MessageBus, play: Play
) -> None:
    root_only(play)

    async def scenario(client: BusClient) -> Any:
        await client.listen()
        other = BusClient(await Connection.open(bus.address))
        enabling = asyncio.ensure_future(other.manager("EnableHelper", "sa{sv}", "a.b-c", {}))
        await asyncio.to_thread(service.wait_line, "^enabling")
        other.connection.close()
        await asyncio.gather(enabling, return_exceptions=True)
        await client.manager("ListHelpers")
        service.command(do="go-on")
        return await client.wait_signal("RulesetReplaced")

    assert play(scenario).body == ({"helpers": ["ftp", "a.b-c"]},)


def test_ping(play: Play) -> None:
    async def scenario(client: BusClient) -> Any:
        return await client.call(names.PEER, "Ping")

    assert play(scenario) == []


def test_statistics_have_numbers_without_addresses(play: Play, service: Program) -> None:
    service.command(do="create", first=5, count=3)
    service.command(do="match", first=5)
    service.command(do="refuse")
    service.command(do="lose")

    async def scenario(client: BusClient) -> list[Any]:
        return await client.manager("GetStatistics")

    values, helpers, workers = play(scenario)
    opened, refused = values.pop("opened_by_minute"), values.pop("refused_by_minute")
    assert (len(opened), sum(opened), sum(refused)) == (60, 3, 1)
    assert values == {
        "version": "9", "steering": "rules", "fail_mode": "open", "started": 1.0e9,
        "losses": {"kernel": 1},
        "last_takeover": {"time": 1.5e9, "repaired": 2, "kept": 1, "refused": 0, "lost": 0},
        "replication": {"connected": True, "lag": 0.001, "received": 3, "confirmed": 4},
    }  # fmt: skip
    ftp = next(helper for helper in helpers if helper["name"] == "ftp")
    assert ftp["event_counts"] == {"created": 3, "matched": 1, "refused": 1}
    assert ftp["refused_by_rule"] == {"G6": 1}
    assert (ftp["pending"], ftp["matched"]) == (3, 0)  # permanent ones stay pending
    assert ftp["rates"] == {"expected": 0.25, "refused": 0.0}
    assert workers[0]["rates"] == {"packets": 12.5, "cpu_seconds": 0.03}
    assert workers[0]["waiting_bytes"] == 4096
    assert "10.0." not in str((values, helpers, workers))


def test_the_last_refusals(play: Play, service: Program) -> None:
    root_only(play)
    for _ in range(3):
        service.command(do="refuse")

    async def scenario(client: BusClient) -> list[Any]:
        limited = await client.expectations("ListRefusals", "a{sv}", {"limit": Typed("u", 2)})
        other = await client.expectations("ListRefusals", "a{sv}", {"helper": Typed("s", "rpc")})
        return [*limited, *other]

    limited, other = play(scenario)
    assert (len(limited), other) == (2, [])
    assert abs(limited[0].pop("time") - time.time()) < 100
    assert limited[0]["endpoint"] == "10.0.1.2:22"
    assert (limited[0]["rule"], limited[0]["reason"]) == ("G6", "below 1024")
