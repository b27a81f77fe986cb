"""The log of what workers tell: a line with fields for each hole opened, and no flood from those who are refused.

Holes are all told, within the workers' own bound; of what one client makes us refuse or give up, only the first few of
each kind, and then how many more.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fwhelpers.worker import messages

log = logging.getLogger("fwhelpers")

BURST = 5  #: lines of one kind, for one helper and client
WINDOW = 10.0  #: seconds in which no more than that are written
SENDERS = 1024  #: of which it is remembered at once what they caused

_LEVELS = {"refused": logging.WARNING, "failed": logging.ERROR}
_FIELDS = {
    "EVENT": "kind", "HELPER": "helper", "CLIENT": "client", "SERVER": "server", "RULE": "rule", "REASON": "reason",
    "ENDPOINT": "endpoint", "EXPECTATION": "expected", "WHAT": "what",
}  # fmt: skip


class EventLog:
    """Writes what workers tell. `name_of` makes the configuration's name of a helper of the kernel's."""

    def __init__(
        self,
        name_of: Callable[[str], str] = lambda name: name,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name_of = name_of
        self._throttle = Throttle(clock)

    def write(self, message: Mapping[str, Any]) -> None:
        """Log a worker's message, where it is one for people."""
        if "note" in message:
            self._note(message["note"])
        worker = f"worker {message.get('queue')}"
        if "problem" in message:
            log.error("%s: %s", worker, message["problem"])
        if "untold" in message:
            log.warning("%s: %d more events than can be listed", worker, message["untold"])
        for what in message.get("lacking", ()):
            log.warning("%s: is confined without %s", worker, what)

    def close(self) -> None:
        """Tell what was held back."""
        for source, more in self._throttle.end():
            _tell_more(source, more)

    def _note(self, given: Mapping[str, Any]) -> None:
        note = {**given, "helper": self._name_of(given["helper"])}
        source = Source(note["kind"], note["helper"], _address(note["client"]))
        if source.kind != "expected":
            for over, more in self._throttle.over():
                _tell_more(over, more)
            if not self._throttle.allows(source):
                return
        fields = {name: note[key] for name, key in _FIELDS.items() if key in note}
        level = _LEVELS.get(source.kind, logging.INFO)
        log.log(level, "%s", messages.sentence(note), extra={"fields": fields})


class Source(NamedTuple):
    """Who causes lines of what kind."""

    kind: str
    helper: str
    client: str


class Throttle:
    """Lets BURST lines of one source pass in each WINDOW, and counts the rest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: OrderedDict[Source, list[float]] = OrderedDict()  # begin, count; oldest first

    def allows(self, source: Source) -> bool:
        """Count one; may it be written?"""
        state = self._seen.setdefault(source, [self._clock(), 0])
        state[1] += 1
        return state[1] <= BURST

    def over(self) -> list[tuple[Source, int]]:
        """The sources whose window has ended, or for which there is no room, with how many lines were held back."""
        now = self._clock()
        ended = []
        while self._seen:
            source, (begin, count) = next(iter(self._seen.items()))
            if now - begin < WINDOW and len(self._seen) < SENDERS:
                break
            del self._seen[source]
            if count > BURST:
                ended.append((source, int(count) - BURST))
        return ended

    def end(self) -> list[tuple[Source, int]]:
        """All of them."""
        left = [(source, int(count) - BURST) for source, (_, count) in self._seen.items()]
        self._seen.clear()
        return [(source, more) for source, more in left if more > 0]


def _tell_more(source: Source, more: int) -> None:
    fields = {"EVENT": source.kind, "HELPER": source.helper, "CLIENT": source.client, "MORE": more}
    log.log(
        _LEVELS.get(source.kind, logging.INFO),
        "%s: %s: %d more %s like the last ones", source.helper, source.client, more, source.kind,
        extra={"fields": fields},
    )  # fmt: skip


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]") or endpoint
