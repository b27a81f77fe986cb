"""`fwhelpers monitor`: expectations as they come and go, ours and everybody's.

The running service tells more: what announced one, what became of it, what was refused. Without the service the
kernel's own events are shown, in the format of `conntrack -E expect`; that needs root.
"""

from __future__ import annotations

import argparse
import select
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any

from fwhelpers.api import Endpoint
from fwhelpers.cli.common import print_line, warn
from fwhelpers.cli.errors import RIGHTS, CliError
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import EventSocket


def monitor(arguments: argparse.Namespace) -> int:
    """Print events until interrupted."""
    if not arguments.kernel and _service_tells(arguments.json):
        return 0
    return _kernel_tells(arguments)


def _service_tells(as_json: bool) -> bool:
    """Show what the service tells until interrupted; False: there is none."""
    from fwhelpers.dbus.address import Disconnected, reachable, system_bus

    try:
        reachable(system_bus())
    except Disconnected:
        return False
    from fwhelpers.cli import client
    from fwhelpers.cli.event_printer import EventPrinter

    story = EventPrinter(as_json)

    async def scenario(service: client.Service) -> None:
        await service.follow(story.hear)

    try:
        client.ask(scenario)
    except client.NotRunning as error:
        if story.told:
            raise
        warn(f"{error}; these are the kernel's own events")
        return False
    except KeyboardInterrupt:
        return True
    raise CliError("the service has gone", client.START)


def _kernel_tells(arguments: argparse.Namespace) -> int:
    try:
        events = EventSocket(expect.GROUPS)
    except PermissionError as error:
        raise CliError(f"listen to expectation events: {error.strerror}", RIGHTS) from error
    poll = select.poll()
    poll.register(events.fileno(), select.POLLIN)
    with suppress(KeyboardInterrupt), closing(events):
        while True:
            poll.poll()
            show(events.read(), arguments.json)
    return 0


def show(messages: Iterable[Message | None], as_json: bool) -> None:
    """Print events; None stands for what the kernel had to drop."""
    for message in messages:
        if message is None:
            _lost(as_json)
        elif message.subsystem == nfnl.CTNETLINK_EXP:
            _event(message, as_json)


def _lost(as_json: bool) -> None:
    if as_json:
        print_line({"event": "lost"})
    warn("events were lost, the kernel makes them faster than they are read: list again to resync")


def _event(message: Message, as_json: bool) -> None:
    event = event_name(message)
    try:
        expectation = expect.parse_expectation(message.payload)
    except DecodeError as error:
        warn(f"warning: an event that can't be read: {error}")
        return
    if as_json:
        print_line({"event": event, **as_data(expectation)})
    else:
        # libnetfilter_conntrack, snprintf_expect.c: "%9s "
        print(f"{f'[{event.upper()}]':>9} {expect.format_line(expectation)}", flush=True)


def event_name(message: Message) -> str:
    """What happened: new, update or destroy (nf_conntrack_netlink.c: ctnetlink_expect_event)."""
    if message.kind == expect.DELETE:
        return "destroy"
    return "new" if message.flags & nfnl.CREATE else "update"


def as_data(expectation: Expectation) -> dict[str, Any]:
    """An expectation as plain data; null: any."""
    e = expectation
    return {
        "helper": e.helper,
        "master": _ends(e.master),
        "expected": {
            **_ends(e.tuple),
            "src": _masked(e.tuple.src, e.mask.src),
            "sport": e.tuple.sport if e.mask.sport else None,
        },
        "timeout": e.timeout,
        "class": e.klass,
        "permanent": bool(e.flags & expect.PERMANENT),
        "zone": e.zone,
    }


def _ends(value: Tuple) -> dict[str, Any]:
    return {
        "l4": {6: "tcp", 17: "udp"}.get(value.l4, value.l4),
        "src": Endpoint(value.src).host, "sport": value.sport,
        "dst": Endpoint(value.dst).host, "dport": value.dport,
    }  # fmt: skip


def _masked(address: bytes, mask: bytes) -> str | None:
    if not any(mask):
        return None
    length = sum(byte.bit_count() for byte in mask)
    host = Endpoint(address).host
    return host if length == 8 * len(mask) else f"{host}/{length}"
