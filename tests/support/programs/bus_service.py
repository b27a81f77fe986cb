"""The real service on a bus, over a daemon that is none: state is invented, commands come on stdin, a JSON line each.

service.py ADDRESS
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.service.control import ControlError, Notification, NotificationKind, Values
from fwhelpers.dbus.service.methods import no_such_helper
from fwhelpers.dbus.service.server import Server
from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.nla import be32, strz
from fwhelpers.worker.messages import FlowReport, ReportKind

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])


def helper(name: str, enabled: bool) -> dict[str, Any]:
    return {
        "name": name, "kernel_name": f"fw-{name}", "enabled": enabled, "registered": True,
        "problem": "", "description": f"the {name} protocol", "specification": "RFC 1",
        "outgoing": False, "plugin": name, "distribution": "fwhelpers", "version": "1.0",
        "transports": ["tcp"], "default_ports": [21], "ports": [21, 2121], "families": [4, 6],
        "interfaces": [], "fail_mode": "open", "settings": [],
        "policies": [{"name": "data", "max": 1, "timeout": 60, "min_port": 1024}],
        "counters": {"expected": 3, "refused": 1},
    }  # fmt: skip


class Fake:
    """`daemon.control.Control`."""

    def __init__(self) -> None:
        self.helper_values = {name: helper(name, name == "ftp") for name in ("ftp", "rpc", "a.b-c")}
        self.helper_values["a.b-c"]["description"] = "§ 1 … \0 \udc80"
        self.version, self.problems = "9", {"rpc": "no"}
        self.restarts = 0
        self.go_on = asyncio.Event()
        self.listeners: list[Callable[[Notification], None]] = []

    def listen(self, listener: Callable[[Notification], None]) -> None:
        self.listeners.append(listener)

    def tell(self, news: Notification) -> None:
        for listener in self.listeners:
            listener(news)

    def summary(self) -> Values:
        enabled = [name for name, entry in self.helper_values.items() if entry["enabled"]]
        return {"version": self.version, "enabled": enabled, "problems": self.problems, "steering": "rules",
                "fail_mode": "open", "started": 1.0e9}  # fmt: skip

    def helpers(self) -> list[Values]:
        return list(self.helper_values.values())

    def plugins(self) -> list[Values]:
        return [{"name": "ftp", "distribution": "fwhelpers", "version": "1.0", "module": "m",
                 "state": "loaded", "helpers": ["ftp"], "problems": []}]  # fmt: skip

    def workers(self) -> list[Values]:
        return [{"queue": 1000, "pid": 77, "ready": True, "restarts": self.restarts,
                 "packets": 5, "overflows": 0, "cpu_seconds": 0.5, "waiting_bytes": 4096,
                 "buffer_bytes": 1 << 20}]  # fmt: skip

    def rates(self) -> dict[tuple[str, str], dict[str, float]]:
        return {("helper", "ftp"): {"expected": 0.25, "refused": 0.0},
                ("worker", "1000"): {"packets": 12.5, "cpu_seconds": 0.03}}  # fmt: skip

    def last_takeover(self) -> Values:
        return {"time": 1.5e9, "repaired": 2, "kept": 1, "refused": 0, "lost": 0}

    def replication(self) -> Values:
        return {"connected": True, "lag": 0.001, "received": 3, "confirmed": 4}

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        if name == "broken":
            raise ZeroDivisionError("a bug")
        if name == "a.b-c":  # takes its time
            print("enabling", flush=True)
            await self.go_on.wait()
        if name not in self.helper_values:
            raise ControlError(names.NO_SUCH_HELPER, no_such_helper(name, self.helper_values))
        self.helper_values[name]["enabled"] = enabled
        self.tell(
            Notification(
                NotificationKind.RULESET_REPLACED,
                details={"helpers": list(self.summary()["enabled"])},
            )
        )
        return {"name": name, "enabled": enabled, "drop_in": "/file" if persist else ""}

    async def reload(self) -> Values:
        raise ControlError(names.INVALID_CONFIGURATION, "fwhelpers.toml: daemon.x: unknown key")

    def ruleset(self) -> str:
        return "table inet fwhelpers {\n}\n"

    async def probe(self) -> list[Values]:
        return [{"name": "rights", "ok": True, "detail": "all", "hint": ""}]


def expectation(number: int, klass: int = 0) -> Expectation:
    master = Tuple(CLIENT, SERVER, 6, 40000 + number % 1000, 21)
    destination = Tuple(CLIENT, SERVER, 6, 0, 1024 + number % 60000)
    return Expectation(
        master,
        destination,
        mask_for(destination),
        klass,
        PERMANENT,
        60,
        "fw-ftp",
        id=number,
        zone=number // 60000,
    )


def event(pending: Expectation, kind: int = expect.NEW) -> Message:
    (sent,) = nfnl.split(expect.encode_create(pending))
    # the kernel's own events carry more than a request: timeout, id and the master's helper
    body = bytes(sent.payload) + _more(pending)
    return sent._replace(type=nfnl.CTNETLINK_EXP << 8 | kind, payload=memoryview(body))


def _more(pending: Expectation) -> bytes:
    return be32(4, pending.timeout) + be32(5, pending.id) + strz(6, pending.helper)


def connection(number: int) -> Message:
    pending = expectation(number)
    orig = pending.tuple._replace(sport=50000)
    reply = Tuple(orig.dst, orig.src, 6, orig.dport, orig.sport)
    body = (
        conntrack.encode_tuple(1, orig) + conntrack.encode_tuple(2, reply)
        + be32(3, conntrack.IPS_EXPECTED) + conntrack.encode_tuple(14, pending.master)
    )  # fmt: skip
    (sent,) = nfnl.split(nfnl.message(nfnl.CTNETLINK, conntrack.NEW, 0, body, family=2))
    return sent


def master(number: int) -> Message:
    orig = expectation(number).master
    reply = Tuple(orig.dst, bytes([192, 0, 2, 1]), 6, orig.dport, orig.sport)
    body = (
        conntrack.encode_tuple(1, orig) + conntrack.encode_tuple(2, reply)
        + be32(3, conntrack.IPS_HELPER)
    )  # fmt: skip
    (sent,) = nfnl.split(nfnl.message(nfnl.CTNETLINK, conntrack.NEW, 0, body, family=2))
    return sent


REFUSED = FlowReport(
    ReportKind.REFUSED, "fw-ftp", "10.0.1.2:40000", "10.0.2.2:21", "tcp", "below 1024", "G6", "PORT",
    "10.0.1.2:22",
)  # fmt: skip


def announced(number: int) -> FlowReport:
    created = expectation(number)
    identity = ExpectationId(key_of(created), created.master)
    return replace(REFUSED, kind=ReportKind.EXPECTED, expectation=identity)


def memory() -> int:
    """Resident bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def act(fake: Fake, events: EventStream, command: dict[str, Any]) -> Any:
    do = command["do"]
    now = time.monotonic()
    if do == "create":
        for number in range(command["first"], command["first"] + command["count"]):
            events.on_kernel_event(event(expectation(number)), now)
            report = replace(announced(number), trigger=command.get("announcement", "PORT"))
            events.on_worker_message(1000, report, now)
            if number % 256 == 0:
                await asyncio.sleep(0)  # as the reader of the kernel's socket does
    elif do == "master":
        events.on_kernel_event(master(command["first"]), now)
    elif do == "match":
        events.on_kernel_event(connection(command["first"]), now)
    elif do == "expire":
        events.advance(now + 1000)
    elif do == "refuse":
        announcement = command.get("announcement", REFUSED.trigger)
        events.on_worker_message(1000, replace(REFUSED, trigger=announcement), now)
    elif do == "abandon":
        abandoned = replace(REFUSED, kind=ReportKind.POISONED, reason="begins with GET")
        events.on_worker_message(1000, abandoned, now)
    elif do == "lose":
        events.add_loss("kernel", 0, resynced=True)
    elif do == "restart-worker":
        fake.restarts += 1
        fake.tell(
            Notification(
                NotificationKind.WORKER_RESTARTED, queue=1000, details={"reason": "died of SIGKILL"}
            )
        )
    elif do == "fail-helper":
        fake.tell(Notification(NotificationKind.HELPER_FAILED, "rpc", details={"reason": "a bug"}))
    elif do == "go-on":
        fake.go_on.set()
    elif do == "install":  # other helpers, without problems
        fake.helper_values = {values["name"]: values for values in command["helpers"]}
        fake.version, fake.problems = command["version"], {}
        count_down = range(len(command["history"]), 0, -1)
        for ago, (opened, refused) in zip(count_down, command["history"], strict=True):
            events.statistics.opened.add(now - 60 * ago, opened)
            events.statistics.refused.add(now - 60 * ago, refused)
    elif do == "remove-helper":
        del fake.helper_values["rpc"]
    elif do == "memory":
        return memory()
    elif do == "state":
        return {"ring": len(events.ring._items), "readers": events.ring.readers,
                "tracked": len(events.expectations())}  # fmt: skip
    return None


async def main(address: str) -> None:
    fake, events = Fake(), EventStream()
    kernel_names = {"fw-ftp": _Helper("ftp"), "fw-rpc": _Helper("rpc")}
    events.set_installed(InstalledHelpers(kernel_names, {"ftp": "ftp"}))  # type: ignore[arg-type]
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = loop.create_task(Server(fake, events, address).run())
    while line := await reader.readline():
        answer = await act(fake, events, json.loads(line))
        print(json.dumps({"done": answer}), flush=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class _Policy:
    name = "data"


class _Helper:
    policies = (_Policy(),)

    def __init__(self, name: str) -> None:
        self.name = name


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    asyncio.run(main(sys.argv[1]))
