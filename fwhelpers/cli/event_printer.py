"""Prints the service's signals as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fwhelpers.cli.common import print_line, warn
from fwhelpers.cli.printable import printable
from fwhelpers.cli.status import describe_connection, describe_expected
from fwhelpers.dbus import names

if TYPE_CHECKING:
    from fwhelpers.dbus.connection import Message

_EVENTS = ("Created", "Renewed", "Matched", "Expired", "Withdrawn", "Refused", "Abandoned")


class EventPrinter:
    """Prints each event when its signal comes."""

    def __init__(self, as_json: bool) -> None:
        self.printed = 0
        self._as_json = as_json

    def on_signal(self, signal: Message) -> None:
        """Print the events of a signal; signals about other things are ignored."""
        if signal.interface != names.EXPECTATIONS:
            return
        if signal.member == "EventsLost":
            self._print_lost(signal.body[0])
        elif signal.member in _EVENTS:
            for values in signal.body[0]:
                self._print(signal.member.lower(), values)

    def _print(self, event: str, values: Mapping[str, Any]) -> None:
        self.printed += 1
        if self._as_json:
            print_line({"event": event, **values})
        else:
            text = " ".join(filter(None, _parts(event, values)))
            print(f"{event:<9} {printable(text)}", flush=True)

    def _print_lost(self, values: Mapping[str, Any]) -> None:
        if self._as_json:
            print_line({"event": "lost", **values})
        count = values.get("count") or "some"
        stage = values.get("stage", "unknown stage")
        warn(f"{count} events were lost ({stage}); `fwhelpers expectations` lists the current ones")


def _parts(event: str, values: Mapping[str, Any]) -> Iterator[str]:
    yield f"{values.get('helper') or values.get('kernel_name') or '?'}:"
    yield values.get("announcement", "")
    if event == "refused":
        yield f"{values['endpoint']}: {values['reason']} ({values['rule']});"
        yield f"{values['client']} → {values['server']}"
        return
    if event == "abandoned":
        yield f"{values['client']} → {values['server']}: {values['reason']}"
        return
    if event == "matched":
        connection = values["connection"]
        yield f"{connection['transport']} {describe_connection(connection)}"
    elif "source_mask" in values:
        yield describe_expected(values)
    if event in ("created", "renewed"):
        yield f"for {values['timeout']} s"
    if event == "withdrawn":
        yield f"({values['reason']})"
    if "master" in values:
        yield f"by {describe_connection(values['master'])}"
