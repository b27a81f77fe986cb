"""Any call of any method gets exactly one reply, and never the reply for a bug."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Message, Target
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.introspection import all_interfaces
from fwhelpers.dbus.service.control import ControlError, Values
from fwhelpers.dbus.service.session import MAX_DIALOGUES, Session
from fwhelpers.events.stream import EventStream

CALLER = ":1.7"


class Bus:
    """A connection whose peers are root and a polkit that is not installed."""

    name = ":1.1"

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self.errors: list[tuple[str, str]] = []

    async def call(self, target: Target, member: str, *_: Any, **options: Any) -> list[Any]:
        raise BusError(names.SERVICE_UNKNOWN, f"no {target.name}")

    async def uid_of(self, name: str) -> int:
        return 0

    async def reply(self, call: Message, signature: str, body: list[Any]) -> None:
        self.replies.append(body)

    async def reply_error(self, call: Message, name: str, text: str) -> None:
        self.errors.append((name, text))


class Daemon:
    """A daemon with one helper."""

    def summary(self) -> Values:
        return {
            "version": "1", "enabled": ["ftp"], "problems": {}, "steering": "rules",
            "fail_mode": "open", "started": 1.0,
        }  # fmt: skip

    def rates(self) -> dict[tuple[str, str], dict[str, float]]:
        return {}

    def last_takeover(self) -> None:
        return None

    def replication(self) -> None:
        return None

    def helpers(self) -> list[Values]:
        return [
            {
                "name": "ftp", "kernel_name": "fw-ftp", "description": "", "plugin": "ftp",
                "enabled": True, "registered": True, "problem": "", "transports": ["tcp"],
                "ports": [21], "counters": Counter(expected=1),
            }
        ]  # fmt: skip

    def plugins(self) -> list[Values]:
        return []

    def workers(self) -> list[Values]:
        return [
            {
                "queue": 1000, "pid": 7, "ready": True, "restarts": 0, "packets": 0, "overflows": 0,
            }
        ]  # fmt: skip

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        if name != "ftp":
            raise ControlError(names.NO_SUCH_HELPER, "no helper")
        assert isinstance(persist, bool)
        return {"name": name, "enabled": enabled, "drop_in": ""}

    async def reload(self) -> Values:
        return {"helpers": ["ftp"]}

    def ruleset(self) -> str:
        return ""

    async def probe(self) -> list[Values]:
        return []


METHODS = [
    (interface.name, member, method.arguments)
    for interface in all_interfaces().values()
    for member, method in interface.methods.items()
]
PATHS = [names.PATH, names.helper_path("ftp"), names.worker_path(1000), "/", "/io", "/x" * 3000]
OPTIONS = ["persist", "helper", "state", "limit", "after", "helpers", "events"]

strings = st.sampled_from(["", "ftp", "fpt", "matched", "0000002a-1", *names.INTERFACES, "Version"])
texts = strings | st.text() | st.integers(1, 5000).map("x".__mul__)
numbers = st.integers(-(1 << 63), (1 << 64) - 1)
values = st.recursive(
    st.booleans() | numbers | texts | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = {
    "s": texts, "v": values,
    "a{sv}": st.dictionaries(st.sampled_from(OPTIONS) | texts, values, max_size=3),
}  # fmt: skip


@st.composite
def calls(draw: st.DrawFn) -> Message:
    interface, member, signature = draw(st.sampled_from(METHODS))
    parts = ["a{sv}" if part == "D" else part for part in signature.replace("a{sv}", "D")]
    body = tuple(draw(ARGUMENTS[part]) for part in parts)
    if draw(st.integers(0, 9)) == 0:
        interface, member, signature = draw(texts), draw(texts), draw(texts)
    return Message(CALLER, draw(st.sampled_from(PATHS)), interface, member, signature, body, 1)


def handle(call: Message) -> Bus:
    bus = Bus()

    async def run() -> None:
        session = Session(bus, Daemon(), EventStream())  # type: ignore[arg-type]
        await session._handle(call)
        session._subscriptions.close()

    asyncio.run(run())
    return bus


def list_with(**query: Any) -> Message:
    return Message(CALLER, names.PATH, names.EXPECTATIONS, "List", "a{sv}", (query,), 1)


@given(calls())
@example(list_with(limit=-1))
@example(list_with(limit=1 << 63))
@example(list_with(after="1-" + "9" * 5000))
@example(list_with(after=5))
@example(replace(list_with(), interface=""))
def test_any_call_gets_one_reply_and_never_an_internal_error(call: Message) -> None:
    bus = handle(call)
    assert len(bus.replies) + len(bus.errors) == 1
    for name, text in bus.errors:
        assert name != names.FAILED or "machine ID" in text
        assert text
        assert len(text) < 20_000


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"limit": -1}, "option limit: must be between 1 and 4294967295, not -1"),
        ({"limt": 1}, "unknown option 'limt'; did you mean limit?"),
        ({"state": "expected"}, "option state: unknown value 'expected'; known: pending, matched"),
    ],
)
def test_wrong_options_of_list(query: dict[str, Any], text: str) -> None:
    assert handle(list_with(**query)).errors == [(names.INVALID_ARGS, text)]


def test_an_unknown_helper_gets_a_suggestion() -> None:
    call = Message(CALLER, names.PATH, names.MANAGER, "GetHelper", "s", ("fpt",), 1)
    text = "no helper 'fpt'; did you mean ftp?"
    assert handle(call).errors == [(names.NO_SUCH_HELPER, text)]


class SlowBus(Bus):
    """Users' connections are named :UID.NUMBER. polkit asks all but root for a password, which nobody enters."""

    def __init__(self) -> None:
        super().__init__()
        self.dialogues: Counter[int] = Counter()
        self.answers: dict[str, str] = {}  #: the last one to each connection

    async def uid_of(self, name: str) -> int:
        await asyncio.sleep(0)
        return int(name[1:].partition(".")[0])

    async def call(self, target: Target, member: str, *arguments: Any, **options: Any) -> list[Any]:
        if member != "CheckAuthorization":
            return []
        _, (subject, _, _, flags, _) = arguments
        user = await self.uid_of(subject[1]["name"].value)
        if user and flags:
            self.dialogues[user] += 1
            await asyncio.Event().wait()
        return [(user == 0, user != 0, {})]

    async def reply(self, call: Message, signature: str, body: list[Any]) -> None:
        self.answers[call.sender] = "reply"

    async def reply_error(self, call: Message, name: str, text: str) -> None:
        self.answers[call.sender] = name


@pytest.mark.parametrize("connections", [1, 8, 40])
def test_the_dialogues_of_one_user_do_not_keep_others_out(connections: int) -> None:
    bus = SlowBus()
    enable = Message("", names.PATH, names.MANAGER, "EnableHelper", "sa{sv}", ("ftp", {}), 1, True)

    async def run() -> None:
        session = Session(bus, Daemon(), EventStream())  # type: ignore[arg-type]

        async def settle() -> None:
            for _ in range(50):
                await asyncio.sleep(0)

        for number in range(connections):
            for _ in range(64):
                session._dispatch(replace(enable, sender=f":1000.{number}"))
            await settle()
        state = Message(":1001.1", names.PATH, names.MANAGER, "ListHelpers", "", (), 1)
        session._dispatch(state)
        session._dispatch(replace(enable, sender=":0.1"))
        session._dispatch(replace(enable, sender=":1002.1"))
        await settle()
        assert (bus.answers[":1001.1"], bus.answers[":0.1"]) == ("reply", "reply")
        assert bus.answers[":1000.0"] == names.LIMIT
        assert bus.dialogues == {1000: MAX_DIALOGUES, 1002: 1}
        waiting = list(session._authorizing)
        assert len(session._calls) == len(waiting) == MAX_DIALOGUES + 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not session._dialogues

    asyncio.run(run())
