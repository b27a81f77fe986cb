"""What the service's signals say, as lines for people or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fwhelpers.cli.common import print_line, warn
from fwhelpers.cli.status import ends, expected
from fwhelpers.dbus import names

if TYPE_CHECKING:
    from fwhelpers.dbus.connection import Call

_EVENTS = ("Created", "Matched", "Expired", "Withdrawn", "Refused")


class EventPrinter:
    """Prints signals as they come."""

    def __init__(self, as_json: bool) -> None:
        self.told = 0
        self._as_json = as_json

    def hear(self, signal: Call) -> None:
        """Print what a signal says, if it says anything of expectations."""
        if signal.interface != names.EXPECTATIONS:
            return
        if signal.member == "EventsLost":
            self._lost(signal.body[0])
        elif signal.member in _EVENTS:
            for one in signal.body[0]:
                self._tell(signal.member.lower(), one)

    def _tell(self, event: str, one: Mapping[str, Any]) -> None:
        self.told += 1
        if self._as_json:
            print_line({"event": event, **one})
        else:
            print(f"{event:<9} {' '.join(filter(None, sentence(event, one)))}", flush=True)

    def _lost(self, details: Mapping[str, Any]) -> None:
        if self._as_json:
            print_line({"event": "lost", **details})
        count = details.get("count") or "some"
        warn(f"{count} events were lost ({details.get('name', 'somewhere')}): list again to resync")


def sentence(event: str, one: Mapping[str, Any]) -> Iterator[str]:
    """An event in words."""
    yield f"{one.get('helper') or one.get('kernel_name') or '?'}:"
    yield one.get("what", "")
    if event == "refused":
        yield f"{one['endpoint']}: {one['reason']} ({one['rule']});"
        yield f"{one['client']} → {one['server']}"
        return
    if event == "matched":
        yield f"{one['connection']['transport']} {ends(one['connection'])}"
    elif "source_mask" in one:
        yield expected(one)
    if event == "created":
        yield f"for {one['timeout']} s"
    if event == "withdrawn":
        yield f"({one['reason']})"
    if "master" in one:
        yield f"by {ends(one['master'])}"
