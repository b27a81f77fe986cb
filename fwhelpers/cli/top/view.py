"""Turns the model into lines of a fixed width and height. The width of characters is Rich's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from fwhelpers.cli.printable import printable
from fwhelpers.cli.status import describe_connection, describe_expected, describe_refusal
from fwhelpers.cli.top.model import Expectation, Model, State, Values

KEYS = "q quit  space pause  / filter  s sort  tab page  ↑↓"

#: styles without colour: each is visible on a monochrome terminal, too
PLAIN, TITLE, BAR, ALARM = "", "bold", "reverse", "bold reverse"


class Line(NamedTuple):
    """A line of exactly the screen's width."""

    text: str
    style: str = PLAIN


class Section(NamedTuple):
    """A table: its heading and its rows."""

    heading: str
    rows: list[Line]


def lines(model: Model, width: int, height: int, now: float, wall: float) -> list[Line]:
    """Return the screen's lines, `height` of them. `wall`: seconds since 1970.

    Limits the model's offset to rows that there are: the way back would begin far below them.
    """
    state, shown_at = model.shown(now)
    sections = list(_sections(model, state, shown_at))
    shares = _shares(sections, height - 2)
    hidden = (len(part.rows) - share for part, share in zip(sections, shares, strict=True))
    model.offset = min(model.offset, max(hidden))
    body = [line for part in _fit(sections, shares, model.offset) for line in part]
    body += [Line("")] * (height - 2 - len(body))
    screen = [_header(model, state, wall), *body[: height - 2], _footer(model)]
    return [Line(_clip(line.text, width), line.style) for line in screen[:height]]


def _header(model: Model, state: State, wall: float) -> Line:
    if state.problem:
        return Line(f"fwhelpers: {printable(state.problem)}", ALARM)
    service = state.service
    up = max(0, int(wall - service["started"]))
    text = (
        f"fwhelpers {printable(service['version'])}  up {_duration(up)}"
        f"  steering {service['steering']}  fail {service['fail_mode']}"
    )
    if losses := sum(service["losses"].values()):
        text += f"  events lost {losses}×"
    return Line(("PAUSED  " if model.is_paused else "") + text, BAR)


def _footer(model: Model) -> Line:
    if model.is_typing:
        return Line(f"filter: {model.filter}_  (enter: keep, escape: clear)", BAR)
    text = f"{KEYS}  [{model.page}, by {model.sort}]"
    return Line(f"filter: {model.filter}  {text}" if model.filter else text, BAR)


def _sections(model: Model, state: State, now: float) -> Iterator[Section]:
    if model.page in ("all", "helpers"):
        yield _helpers(model, state)
        yield _workers(state)
    if model.page in ("all", "expectations"):
        yield _expectations(model, state, now)
    if model.page in ("all", "refusals"):
        yield _refusals(model, state)


def _fit(sections: Sequence[Section], shares: Sequence[int], offset: int) -> Iterator[list[Line]]:
    """Yield the lines of each section, with its share of rows."""
    for number, (section, share) in enumerate(zip(sections, shares, strict=True)):
        rows = section.rows
        start = min(offset, max(0, len(rows) - share))
        hidden = len(rows) - share
        heading = section.heading + (f"  ({hidden} more)" if hidden > 0 else "")
        blank = [Line("")] if number else []
        yield [*blank, Line(heading, TITLE), *rows[start : start + share]]


def _shares(sections: Sequence[Section], height: int) -> list[int]:
    """Give each section the rows that it needs, and share what is missing equally."""
    needs = [len(section.rows) for section in sections]
    space = height - 2 * len(sections) + 1  # a heading each, and a blank line between them
    shares = [0] * len(needs)
    while space > 0 and shares != needs:
        for number, need in enumerate(needs):
            if shares[number] < need and space > 0:
                shares[number] += 1
                space -= 1
    return shares


def _helpers(model: Model, state: State) -> Section:
    def activity(helper: Values) -> float:
        return sum(state.rates.get(("helper", helper["name"]), {}).values())

    def waiting(helper: Values) -> int:
        return int(helper["pending"])

    rows = sorted(state.helpers, key=lambda helper: str(helper["name"]))
    if model.sort != "name":
        rows.sort(key=activity if model.sort == "activity" else waiting, reverse=True)
    heading = (
        f"{'HELPER':<15}{'NEW/s':>8}{'PENDING':>9}{'IN USE':>8}"
        f"{'CREATED':>10}{'REFUSED':>10}{'ABANDONED':>11}"
    )
    shown = [_helper(helper, state) for helper in rows]
    return Section(heading, [line for line in shown if _passes(model, line.text)])


def _helper(helper: Values, state: State) -> Line:
    name = _cell(helper["name"], 14)
    if not helper["registered"]:
        return Line(f"{name} not registered with the kernel", ALARM)
    events = helper["event_counts"]
    rate = state.rates.get(("helper", helper["name"]), {}).get("created", 0.0)
    return Line(
        f"{name} {rate:>8.1f}{helper['pending']:>9}{helper['matched']:>8}"
        f"{events.get('created', 0):>10}{events.get('refused', 0):>10}{events.get('abandoned', 0):>11}"
    )


def _workers(state: State) -> Section:
    heading = (
        f"{'QUEUE':<10}{'STATE':<10}{'CPU':>7}{'PACKETS/s':>11}{'BACKLOG':>16}"
        f"{'OVERFLOWS':>11}{'RESTARTS':>10}"
    )
    return Section(heading, [_worker(worker, state) for worker in state.workers])


def _worker(worker: Values, state: State) -> Line:
    rates = state.rates.get(("worker", str(worker["queue"])), {})
    limit = worker["buffer_bytes"]
    backlog = f"{worker['waiting_bytes'] / 1024:.0f} KiB"
    if limit:
        backlog += f" {worker['waiting_bytes'] / limit:>5.1%}"
    name = "ready" if worker["ready"] else "not ready"
    text = (
        f"{worker['queue']:<10}{name:<10}{rates.get('cpu_seconds', 0.0):>7.1%}"
        f"{rates.get('packets', 0.0):>11.1f}{backlog:>16}{worker['overflows']:>11}{worker['restarts']:>10}"
    )
    return Line(text, PLAIN if worker["ready"] else ALARM)


def _expectations(model: Model, state: State, now: float) -> Section:
    heading = f"EXPECTATIONS ({len(state.expectations)})"
    if state.denied:
        return Section("EXPECTATIONS", [Line(printable(state.denied))])
    # "time": those that end next; "activity": the newest
    order = list(state.expectations.values())
    if model.sort == "name":
        order.sort(key=lambda e: (str(e.values["helper"]), e.until))
    elif model.sort == "time":
        order.sort(key=lambda e: (e.values["state"] != "pending", e.until))
    else:
        order.reverse()
    shown = (_expectation(expectation, now) for expectation in order)
    return Section(heading, [line for line in shown if _passes(model, line.text)])


def _expectation(expectation: Expectation, now: float) -> Line:
    values = expectation.values
    pending = values["state"] == "pending"
    left_over = f"{max(0, round(expectation.until - now))} s" if pending else "in use"
    users = ", ".join(map(describe_connection, values["connections"]))
    by = describe_connection(values["master"]) if "master" in values else "-"
    text = (
        f"{_cell(values['helper'], 10)} {_cell(values['announcement'] or '-', 10)} {left_over:>6}"
        f"  {describe_expected(values)}"
    )
    return Line(printable(f"{text}  used by {users}" if users else f"{text}  by {by}"))


def _refusals(model: Model, state: State) -> Section:
    if state.denied:
        return Section("REFUSED", [Line(printable(state.denied))])
    order = list(reversed(state.refusals))
    if model.sort == "name":
        order.sort(key=lambda values: str(values["helper"]))
    shown = (Line(describe_refusal(values)) for values in order)
    rows = [line for line in shown if _passes(model, line.text)]
    return Section(f"REFUSED ({len(state.refusals)})", rows)


def _passes(model: Model, text: str) -> bool:
    return model.filter.casefold() in text.casefold()


def _cell(text: str, width: int) -> str:
    """Return a text in a column of fixed width."""
    return _clip(printable(text), width)


def _clip(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - 1)) + "…"[:width]


def _duration(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return (f"{days} d " if days else "") + f"{hour:02}:{minute:02}:{second:02}"


def plain(screen: Iterable[Line]) -> list[str]:
    """Return the text of lines without the padding."""
    return [line.text.rstrip() for line in screen]
