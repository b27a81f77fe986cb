"""Who is told of expectations, what, and how fast; and what happens to those who do not listen."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from typing import Any

import pytest
from message_bus import Client, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Connection
from fwhelpers.dbus.fields import Typed

pytestmark = [
    pytest.mark.usefixtures("service"),
    pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root may subscribe"),
]

MEGABYTE = 1 << 20


async def subscribe(client: Client, **options: list[str]) -> None:
    given = {key: Typed("as", value) for key, value in options.items()}
    await client.expectations("Subscribe", "a{sv}", given)


def members(client: Client) -> Counter[str]:
    """How many events of each kind came (a signal carries several)."""
    counts: Counter[str] = Counter()
    for one in client.signals:
        if one.interface == names.EXPECTATIONS and one.signature == "aa{sv}":
            counts[one.member] += len(one.body[0])
    return counts


def told(client: Client) -> list[Any]:
    """What came as a subscriber; the numbers for everybody come whenever a second has passed."""
    return [
        s for s in client.signals if s.interface == names.EXPECTATIONS and s.member != "Activity"
    ]


def lost(client: Client) -> int:
    return sum(one.body[0]["count"] for one in client.signals if one.member == "EventsLost")


def test_an_expectation_s_life(service: Program, play: Play) -> None:
    async def scenario(client: Client) -> list[Any]:
        await subscribe(client)
        service.say(do="master", first=7)
        service.say(do="create", first=7, count=1)
        service.say(do="match", first=7)
        service.say(do="expire")
        service.say(do="refuse")
        service.say(do="lose")
        await client.wait_signal("EventsLost")
        return told(client)

    created, matched, expired, refused, gone = play(scenario)
    assert [s.member for s in (created, matched, expired, refused, gone)] == [
        "Created", "Matched", "Expired", "Refused", "EventsLost",
    ]  # fmt: skip
    (one,) = created.body[0]
    assert (one["helper"], one["plugin"], one["policy"]) == ("ftp", "ftp", "data")
    assert (one["source"], one["destination_port"], one["flags"]) == (
        "10.0.1.2", 1031, ["permanent"],
    )  # fmt: skip
    assert one["master"]["reply_destination"] == "192.0.2.1"
    (two,) = matched.body[0]
    assert two["id"] == one["id"]
    assert two["connection"]["source_port"] == 50000
    assert expired.body[0][0]["id"] == one["id"]
    (three,) = refused.body[0]
    assert (three["rule"], three["reason"]) == ("G6", "below 1024")
    assert gone.body == ({"name": "kernel", "count": 0, "resynchronised": True},)


def test_whoever_did_not_subscribe_learns_numbers_only(
    service: Program, bus: MessageBus, play: Play
) -> None:
    async def scenario(client: Client) -> tuple[list[Any], Any]:
        other = Client(await Connection.open(bus.address))
        try:
            await other.listen()
            await subscribe(client)
            service.say(do="create", first=0, count=3)
            activity = await other.wait_signal("Activity")
            await client.wait_signal("Created")
            return other.signals, activity
        finally:
            other.connection.close()

    heard, activity = play(scenario)
    assert activity.body == ({"ftp": {"created": 3}},)
    assert not [s for s in heard if "10.0." in repr(s.body)]


def test_only_what_was_asked_for(service: Program, play: Play) -> None:
    async def scenario(client: Client) -> list[Any]:
        await subscribe(client, events=["refused", "matched"], helpers=["ftp"])
        service.say(do="create", first=1, count=5)
        service.say(do="match", first=1)
        service.say(do="refuse")
        await client.wait_signal("Refused")
        await subscribe(client, helpers=["rpc"])
        service.say(do="refuse")
        await client.expectations("Unsubscribe")
        service.say(do="refuse")
        await client.call(names.PEER, "Ping")
        return told(client)

    assert [s.member for s in play(scenario)] == ["Matched", "Refused"]


@pytest.mark.parametrize("given", [{"events": ["born"]}, {"kinds": ["created"]}])
def test_wrong_options(play: Play, given: dict[str, list[str]]) -> None:
    async def scenario(client: Client) -> None:
        with pytest.raises(BusError) as caught:
            await subscribe(client, **given)
        assert caught.value.name == names.INVALID_ARGS

    play(scenario)


def test_the_list_comes_in_pages(service: Program, play: Play) -> None:
    service.say(do="create", first=0, count=600)
    service.say(do="match", first=3)

    async def scenario(client: Client) -> tuple[list[int], list[Any], list[Any]]:
        sizes, found, after = [], [], ""
        while True:
            given = {"after": Typed("s", after)} if after else {}
            page, after = await client.expectations("List", "a{sv}", given)
            sizes.append(len(page))
            found += page
            if not after:
                break
        few, more = await client.expectations("List", "a{sv}", {"limit": Typed("u", 2)})
        assert more == few[-1]["id"]
        none, _ = await client.expectations("List", "a{sv}", {"helper": Typed("s", "rpc")})
        assert none == []
        with pytest.raises(BusError, match="no such id"):
            await client.expectations("List", "a{sv}", {"after": Typed("s", "x")})
        return sizes, found, few

    sizes, found, few = play(scenario)
    assert sizes == [256, 256, 88]
    assert len({one["id"] for one in found}) == 600
    assert [one["id"] for one in found[:2]] == [one["id"] for one in few]
    assert [len(one["connections"]) for one in found[:5]] == [0, 0, 0, 1, 0]


def test_ten_thousand_at_once_reach_who_listens(
    service: Program, bus: MessageBus, play: Play
) -> None:
    before, of_bus = service.say(do="memory"), bus.memory()

    async def scenario(client: Client) -> tuple[Counter[str], int]:
        await subscribe(client)
        await asyncio.to_thread(service.say, do="create", first=0, count=10000)
        await client.wait_signal(
            "Created", lambda _: members(client)["Created"] + lost(client) >= 10000
        )
        # the connection lives, and answers
        (version,) = await client.call(names.PROPERTIES, "Get", "ss", names.MANAGER, "Version")
        assert version == "9"
        return members(client), lost(client)

    counts, missing = play(scenario)
    assert counts["Created"] + missing == 10000
    # tracking 10,000 of them takes some memory, the sending must take none to speak of
    assert service.say(do="memory") - before < 64 * MEGABYTE
    assert bus.memory() - of_bus < 8 * MEGABYTE


SLEEPER = """
import asyncio, sys
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection

async def main():
    connection = await Connection.open(sys.argv[1])
    told = {"created": 0, "lost": 0}
    def hear(signal):
        if signal.member == "Created":
            told["created"] += len(signal.body[0])
        elif signal.member == "EventsLost":
            told["lost"] += signal.body[0]["count"]
        if sum(told.values()) >= int(sys.argv[2]):
            print("got", told["created"], told["lost"], flush=True)
    connection.on_signal = hear
    await connection.call(names.NAME, names.PATH, names.EXPECTATIONS, "Subscribe", "a{sv}", [{}])
    print("subscribed", flush=True)
    await connection.wait_closed()
asyncio.run(main())
"""


def test_a_stopped_subscriber_harms_nobody_and_learns_what_it_missed(
    service: Program, bus: MessageBus, play: Play
) -> None:
    total = 20000  # more than the ring holds
    sleeper = Program(sys.executable, "-c", SLEEPER, bus.address, str(total))
    try:
        sleeper.wait_line("subscribed")
        sleeper.process.send_signal(signal.SIGSTOP)
        before = bus.memory()

        async def scenario(client: Client) -> int:
            await subscribe(client)
            for first in range(0, total, 5000):
                await asyncio.to_thread(service.say, do="create", first=first, count=5000)
                await client.wait_signal(
                    "Created",
                    lambda _, want=first + 5000: members(client)["Created"] + lost(client) >= want,
                )
            return lost(client)

        play(scenario)
        assert bus.memory() - before < 8 * MEGABYTE
        assert service.say(do="state")["ring"] <= 16384
        sleeper.process.send_signal(signal.SIGCONT)
        _, got, missed = sleeper.wait_line("^got").split()
        assert int(got) + int(missed) == total
        assert int(missed) >= total - 16384 - 1024
    finally:
        sleeper.end()


def test_who_leaves_is_forgotten(service: Program, bus: MessageBus, play: Play) -> None:
    async def scenario(client: Client) -> None:
        other = Client(await Connection.open(bus.address))
        await subscribe(client)
        await subscribe(other)
        assert service.say(do="state")["readers"] == 2
        other.connection.close()
        for _ in range(200):
            if service.say(do="state")["readers"] == 1:
                return
            await client.call(names.PEER, "Ping")
        pytest.fail("it is still told")

    play(scenario)


def test_too_many_subscribers_are_refused(
    service: Program, bus: MessageBus, play: Play, start: Starter
) -> None:
    async def scenario(client: Client) -> None:
        others = [await Connection.open(bus.address) for _ in range(64)]
        try:
            for other in others:
                await subscribe(Client(other))
            with pytest.raises(BusError) as caught:
                await subscribe(client)
            assert caught.value.name == names.LIMIT
        finally:
            for other in others:
                other.close()

    play(scenario)


def test_a_caller_that_does_not_wait_for_answers_does_no_harm(
    service: Program, bus: MessageBus, play: Play
) -> None:
    async def scenario(client: Client) -> list[Any]:
        flood = await Connection.open(bus.address)
        try:
            asked = [
                asyncio.ensure_future(
                    flood.call(names.NAME, names.PATH, names.MANAGER, "ListHelpers", patience=30)
                )
                for _ in range(2000)
            ]
            (helpers,) = await client.manager("ListHelpers")
            # as many as may wait are answered, some more are refused, the rest gets nothing
            first = await asyncio.gather(*asked[:32], return_exceptions=True)
            assert not [one for one in first if isinstance(one, BaseException)]
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            return list(helpers)
        finally:
            flood.close()

    assert len(play(scenario)) == 3
