"""What the live view shows: changed by replies and signals of the service, and by keys. Pure.

Times are those of time.monotonic(), except for the times of refusals, which are seconds since 1970.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.events.rates import RateSampler

Values = Mapping[str, Any]

MAX_EXPECTATIONS = 4096
MAX_REFUSALS = 256
RATE_WINDOW = 5.0  #: seconds

PAGES = ("all", "helpers", "expectations", "refusals")
SORTS = ("name", "activity", "time")
MAX_FILTER = 40


@dataclass
class Expectation:
    """An expectation; `until`: when it expires."""

    values: dict[str, Any]
    until: float


@dataclass
class State:
    """What the service has reported."""

    problem: str = "connecting"  #: why there are no current numbers
    denied: str = ""  #: why there are no addresses
    service: Values = field(default_factory=dict)
    helpers: list[Values] = field(default_factory=list)
    workers: list[Values] = field(default_factory=list)
    rates: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    expectations: dict[str, Expectation] = field(default_factory=dict)
    refusals: deque[Values] = field(default_factory=lambda: deque(maxlen=MAX_REFUSALS))
    lost: bool = False  #: events were lost since the last list


class Model:
    """The state, what of it is to be shown, and the state at the time of a pause."""

    def __init__(self) -> None:
        self.state = State()
        self.page = PAGES[0]
        self.sort = SORTS[0]
        self.filter = ""
        self.is_typing = False  #: keys go to the filter
        self.offset = 0  #: rows that are scrolled away; the view limits it to those that there are
        self._frozen: State | None = None
        self._frozen_at = 0.0
        self._sampler = RateSampler(RATE_WINDOW)

    # the service

    def on_statistics(
        self, service: Values, helpers: list[Values], workers: list[Values], now: float
    ) -> None:
        """Take a reply of GetStatistics."""
        state = self.state
        if service["started"] != state.service.get("started"):  # another process counts from zero
            self._sampler = RateSampler(RATE_WINDOW)
        state.service, state.helpers, state.workers, state.problem = service, helpers, workers, ""
        totals = {("helper", h["name"]): h["event_counts"] for h in helpers}
        for worker in workers:
            counters = {key: worker[key] for key in ("packets", "cpu_seconds")}
            totals["worker", str(worker["queue"])] = counters
        state.rates = self._sampler.rates(totals, now)
        self._sampler.add(totals, now)

    def on_disconnected(self, problem: str) -> None:
        """The service cannot be reached; its last numbers remain visible."""
        self.state.problem = problem
        self.state.expectations.clear()

    def on_denied(self, problem: str) -> None:
        """The user may not see addresses."""
        self.state.denied = problem
        self.state.expectations.clear()
        self.state.refusals.clear()

    def begin_list(self) -> None:
        """The expectations are being listed again."""
        self.state.expectations.clear()
        self.state.lost, self.state.denied = False, ""

    def on_expectations(self, page: Iterable[Values], now: float) -> None:
        """Take a reply of List."""
        for values in page:
            self._keep(dict(values), now)

    def on_refusals(self, refusals: Iterable[Values]) -> None:
        """Take the reply of ListRefusals."""
        self.state.refusals.clear()
        self.state.refusals.extend(refusals)

    def on_event(self, member: str, events: Iterable[Values], now: float, wall: float) -> None:
        """Take a signal of the Expectations interface."""
        for values in events:
            if member == "Refused":
                self.state.refusals.append({**values, "time": wall})
            elif member == "Created":
                self._keep({**values, "connections": []}, now)
            elif member == "Renewed":
                self._renew(values, now)
            elif member == "Matched":
                self._match(values, now)
            elif member in ("Expired", "Withdrawn"):
                self._end(values)

    def on_lost(self) -> None:
        """Events were lost: the expectations have to be listed again."""
        self.state.lost = True

    def _keep(self, values: dict[str, Any], now: float) -> None:
        expectations = self.state.expectations
        expectations[values["id"]] = Expectation(values, now + values["remaining"])
        if len(expectations) > MAX_EXPECTATIONS:
            del expectations[next(iter(expectations))]

    def _renew(self, values: Values, now: float) -> None:
        former = self.state.expectations.get(values["id"])
        connections = former.values["connections"] if former else []
        self._keep({**values, "connections": connections}, now)

    def _match(self, values: Values, now: float) -> None:
        former = self.state.expectations.get(values["id"])
        connections = former.values["connections"] if former else []
        if values["id"]:  # else the expectation is unknown to the service, too
            self._keep({**values, "connections": [*connections, values["connection"]]}, now)

    def _end(self, values: Values) -> None:
        expectation = self.state.expectations.get(values["id"])
        if expectation is None:
            return
        if values.get("connections"):
            expectation.values |= {"state": "matched", "connections": values["connections"]}
        else:
            del self.state.expectations[values["id"]]

    # the user

    def on_key(self, key: str) -> bool:
        """Handle a key; return False to quit."""
        if key == "interrupt":
            return False
        if self.is_typing:
            self._type(key)
            return True
        if key == "q":
            return False
        match key:
            case "tab" | "back-tab":
                step = 1 if key == "tab" else -1
                self.page, self.offset = _next(PAGES, self.page, step), 0
            case "s":
                self.sort = _next(SORTS, self.sort)
            case "/":
                self.is_typing = True
            case "escape":
                self.filter = ""
            case "up" | "k":
                self.offset = max(0, self.offset - 1)
            case "down" | "j":
                self.offset += 1
            case "page-up":
                self.offset = max(0, self.offset - 10)
            case "page-down":
                self.offset += 10
            case "end":
                self.offset = MAX_EXPECTATIONS
            case "home":
                self.offset = 0
        return True

    def _type(self, key: str) -> None:
        self.offset = 0
        if key == "escape":
            self.filter, self.is_typing = "", False
        elif key == "enter":
            self.is_typing = False
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and len(self.filter) < MAX_FILTER:
            self.filter += key

    def toggle_pause(self, now: float) -> None:
        """Freeze what is shown, or follow the service again."""
        if self._frozen is None:
            self._frozen, self._frozen_at = copy.deepcopy(self.state), now
        else:
            self._frozen = None

    @property
    def is_paused(self) -> bool:
        return self._frozen is not None

    def shown(self, now: float) -> tuple[State, float]:
        """Return the state to show, and its time."""
        return (self.state, now) if self._frozen is None else (self._frozen, self._frozen_at)


def _next(choices: tuple[str, ...], choice: str, step: int = 1) -> str:
    return choices[(choices.index(choice) + step) % len(choices)]
