"""`fwhelpers monitor`: prints expectation events, ours and those of the kernel's own helpers.

The running service reports the announcement of an expectation, its outcome, and refusals.
Without the service the kernel's own events are printed in the format of `conntrack -E expect`;
that requires root.
"""

from __future__ import annotations

import argparse
import select
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any

from fwhelpers.api import Endpoint
from fwhelpers.cli.common import print_line, warn
from fwhelpers.cli.errors import PRIVILEGES, CliError
from fwhelpers.cli.printable import printable
from fwhelpers.kernel import expect, nfnl, transports
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import EventSocket


def monitor(arguments: argparse.Namespace) -> int:
    """Print events until interrupted."""
    if not arguments.kernel and _follow_service(arguments.json):
        return 0
    return _follow_kernel(arguments.json)


def _follow_service(as_json: bool) -> bool:
    """Print the service's events until interrupted. Return False if there is no service."""
    from fwhelpers.cli import bus_errors, client
    from fwhelpers.cli.event_printer import EventPrinter

    printer = EventPrinter(as_json)
    try:
        client.ask(lambda service: service.follow(printer.on_signal))
    except bus_errors.NotRunning as error:
        if printer.printed:
            raise
        warn(f"{error}; printing the kernel's own events")
        return False
    except KeyboardInterrupt:
        return True
    raise CliError("the service has stopped", bus_errors.START)


def _follow_kernel(as_json: bool) -> int:
    try:
        events = EventSocket(expect.GROUPS)
    except PermissionError as error:
        raise CliError(f"subscribe to expectation events: {error.strerror}", PRIVILEGES) from error
    poll = select.poll()
    poll.register(events.fileno(), select.POLLIN)
    with suppress(KeyboardInterrupt), closing(events):
        while True:
            poll.poll()
            print_events(events.read(), as_json)
    return 0


def print_events(messages: Iterable[Message | None], as_json: bool) -> None:
    """Print kernel events; None stands for events that the kernel had to drop."""
    for message in messages:
        if message is None:
            if as_json:
                print_line({"event": "lost"})
            warn("events were lost: the kernel produced them faster than they could be read")
        elif message.subsystem == nfnl.CTNETLINK_EXP:
            _print_event(message, as_json)


def _print_event(message: Message, as_json: bool) -> None:
    event = event_name(message)
    try:
        expectation = expect.parse_expectation(message.payload)
    except DecodeError as error:
        warn(f"warning: malformed event: {error}")
        return
    if as_json:
        print_line({"event": event, **to_json(expectation)})
    else:
        # libnetfilter_conntrack, snprintf_expect.c: "%9s "
        line = f"{f'[{event.upper()}]':>9} {expect.format_line(expectation)}"
        print(printable(line), flush=True)


def event_name(message: Message) -> str:
    """Return the event: new, update or destroy (nf_conntrack_netlink.c: ctnetlink_expect_event)."""
    if message.kind == expect.DELETE:
        return "destroy"
    return "new" if message.flags & nfnl.CREATE else "update"


def to_json(expectation: Expectation) -> dict[str, Any]:
    """Return an expectation with the keys of the D-Bus API, as far as the kernel's event has them."""
    expected, mask = expectation.tuple, expectation.mask
    return {
        "helper": expectation.helper,
        **_connection(expected),
        "source_mask": Endpoint(mask.src).host,
        "source_port_mask": mask.sport,
        "timeout": expectation.timeout,
        "class": expectation.klass,
        "flags": ["permanent"] if expectation.flags & expect.PERMANENT else [],
        "zone": expectation.zone,
        "master": _connection(expectation.master),
    }


def _connection(value: Tuple) -> dict[str, Any]:
    return {
        "transport": transports.name_of(value.l4),
        "source": Endpoint(value.src).host, "source_port": value.sport,
        "destination": Endpoint(value.dst).host, "destination_port": value.dport,
    }  # fmt: skip
