"""Which clients receive expectation events, how fast, and the effect of slow or stopped readers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from typing import Any

import pytest
from message_bus import BusClient, MessageBus, Play, Program, Starter

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Target
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.fields import Typed

pytestmark = [
    pytest.mark.usefixtures("service"),
    pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized"),
]

MEGABYTE = 1 << 20


async def subscribe(client: BusClient, **options: list[str]) -> None:
    typed = {key: Typed("as", value) for key, value in options.items()}
    await client.expectations("Subscribe", "a{sv}", typed)


def members(client: BusClient) -> Counter[str]:
    """Events received by kind (a message carries several)."""
    counts: Counter[str] = Counter()
    for message in client.signals:
        if message.interface == names.EXPECTATIONS and message.signature == "aa{sv}":
            counts[message.member] += len(message.body[0])
    return counts


def subscriber_signals(client: BusClient) -> list[Any]:
    """Signals received as a subscriber; EventCounts goes to everybody at any time."""
    return [
        s for s in client.signals if s.interface == names.EXPECTATIONS and s.member != "EventCounts"
    ]


def lost(client: BusClient) -> int:
    return sum(
        message.body[0]["count"] for message in client.signals if message.member == "EventsLost"
    )


def test_the_events_of_an_expectation(service: Program, play: Play) -> None:
    async def scenario(client: BusClient) -> list[Any]:
        await subscribe(client)
        service.command(do="master", first=7)
        service.command(do="create", first=7, count=1)
        service.command(do="match", first=7)
        service.command(do="expire")
        service.command(do="refuse")
        service.command(do="abandon")
        service.command(do="lose")
        await client.wait_signal("EventsLost")
        return subscriber_signals(client)

    signals = play(scenario)
    assert [s.member for s in signals] == [
        "Created", "Matched", "Expired", "Refused", "Abandoned", "EventsLost",
    ]  # fmt: skip
    created, matched, expired, refused, abandoned, gone = signals
    (expectation,) = created.body[0]
    assert (expectation["helper"], expectation["plugin"], expectation["policy"]) == (
        "ftp",
        "ftp",
        "data",
    )
    assert (expectation["source"], expectation["destination_port"], expectation["flags"]) == (
        "10.0.1.2", 1031, ["permanent"],
    )  # fmt: skip
    assert expectation["master"]["reply_destination"] == "192.0.2.1"
    (two,) = matched.body[0]
    assert two["id"] == expectation["id"]
    assert two["connection"]["source_port"] == 50000
    assert expired.body[0][0]["id"] == expectation["id"]
    (three,) = refused.body[0]
    assert (three["rule"], three["reason"]) == ("G6", "below 1024")
    (four,) = abandoned.body[0]
    assert (four["helper"], four["reason"]) == ("ftp", "begins with GET")
    assert gone.body == ({"stage": "kernel", "count": 0, "resynced": True},)


def test_other_clients_receive_numbers_only(service: Program, bus: MessageBus, play: Play) -> None:
    async def scenario(client: BusClient) -> tuple[list[Any], Any]:
        other = BusClient(await Connection.open(bus.address))
        try:
            await other.listen()
            await subscribe(client)
            service.command(do="create", first=0, count=3)
            counts = await other.wait_signal("EventCounts")
            await client.wait_signal("Created")
            return other.signals, counts
        finally:
            other.connection.close()

    signals, counts = play(scenario)
    assert counts.body == ({"ftp": {"created": 3}},)
    assert not [s for s in signals if "10.0." in repr(s.body)]


def test_filters_by_event_and_helper(service: Program, play: Play) -> None:
    async def scenario(client: BusClient) -> list[Any]:
        await subscribe(client, events=["refused", "matched"], helpers=["ftp"])
        service.command(do="create", first=1, count=5)
        service.command(do="match", first=1)
        service.command(do="refuse")
        await client.wait_signal("Refused")
        await subscribe(client, helpers=["rpc"])
        service.command(do="refuse")
        await client.expectations("Unsubscribe")
        service.command(do="refuse")
        await client.call(names.PEER, "Ping")
        return subscriber_signals(client)

    assert [s.member for s in play(scenario)] == ["Matched", "Refused"]


@pytest.mark.parametrize("options", [{"events": ["born"]}, {"kinds": ["created"]}])
def test_wrong_options(play: Play, options: dict[str, list[str]]) -> None:
    async def scenario(client: BusClient) -> None:
        with pytest.raises(BusError) as caught:
            await subscribe(client, **options)
        assert caught.value.name == names.INVALID_ARGS

    play(scenario)


def test_the_list_is_paged(service: Program, play: Play) -> None:
    service.command(do="create", first=0, count=600)
    service.command(do="match", first=3)

    async def scenario(client: BusClient) -> tuple[list[int], list[Any], list[Any]]:
        sizes, rows, after = [], [], ""
        while True:
            query = {"after": Typed("s", after)} if after else {}
            page, after = await client.expectations("List", "a{sv}", query)
            sizes.append(len(page))
            rows += page
            if not after:
                break
        few, more = await client.expectations("List", "a{sv}", {"limit": Typed("u", 2)})
        assert more == few[-1]["id"]
        none, _ = await client.expectations("List", "a{sv}", {"helper": Typed("s", "rpc")})
        assert none == []
        with pytest.raises(BusError, match="no such ID"):
            await client.expectations("List", "a{sv}", {"after": Typed("s", "x")})
        return sizes, rows, few

    sizes, rows, few = play(scenario)
    assert sizes == [256, 256, 88]
    assert len({row["id"] for row in rows}) == 600
    assert [row["id"] for row in rows[:2]] == [row["id"] for row in few]
    assert [len(row["connections"]) for row in rows[:5]] == [0, 0, 0, 1, 0]


def test_a_burst_of_ten_thousand_events_reaches_a_subscriber(
    service: Program, bus: MessageBus, play: Play
) -> None:
    before, of_bus = service.command(do="memory"), bus.memory()

    async def scenario(client: BusClient) -> tuple[Counter[str], int]:
        await subscribe(client)
        await asyncio.to_thread(service.command, do="create", first=0, count=10000)
        await client.wait_signal(
            "Created", lambda _: members(client)["Created"] + lost(client) >= 10000
        )
        # the connection is alive and the service replies
        (version,) = await client.call(names.PROPERTIES, "Get", "ss", names.MANAGER, "Version")
        assert version == "9"
        return members(client), lost(client)

    counts, missing = play(scenario)
    assert counts["Created"] + missing == 10000
    # tracking 10,000 expectations takes memory, sending them must not
    assert service.command(do="memory") - before < 64 * MEGABYTE
    assert bus.memory() - of_bus < 8 * MEGABYTE


SLEEPER = """
import asyncio, sys
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Target

async def main():
    connection = await Connection.open(sys.argv[1])
    counts = {"created": 0, "lost": 0}
    def count(signal):
        if signal.member == "Created":
            counts["created"] += len(signal.body[0])
        elif signal.member == "EventsLost":
            counts["lost"] += signal.body[0]["count"]
        if sum(counts.values()) >= int(sys.argv[2]):
            print("got", counts["created"], counts["lost"], flush=True)
    connection.on_signal = count
    await connection.call(Target(names.NAME, names.PATH, names.EXPECTATIONS), "Subscribe", "a{sv}", [{}])
    print("subscribed", flush=True)
    await connection.wait_closed()
asyncio.run(main())
"""


def test_a_stopped_subscriber_delays_nobody_and_receives_the_number_of_lost_events(
    service: Program, bus: MessageBus, play: Play
) -> None:
    total = 20000  # more than the ring buffer holds
    sleeper = Program(sys.executable, "-c", SLEEPER, bus.address, str(total))
    try:
        sleeper.wait_line("subscribed")
        sleeper.process.send_signal(signal.SIGSTOP)
        before = bus.memory()

        async def scenario(client: BusClient) -> int:
            await subscribe(client)
            for first in range(0, total, 5000):
                await asyncio.to_thread(service.command, do="create", first=first, count=5000)
                await client.wait_signal(
                    "Created",
                    lambda _, total=first + 5000: (
                        members(client)["Created"] + lost(client) >= total
                    ),
                )
            return lost(client)

        play(scenario)
        assert bus.memory() - before < 8 * MEGABYTE
        assert service.command(do="state")["ring"] <= 16384
        sleeper.process.send_signal(signal.SIGCONT)
        _, got, missed = sleeper.wait_line("^got").split()
        assert int(got) + int(missed) == total
        assert int(missed) >= total - 16384 - 1024
    finally:
        sleeper.end()


def test_leaving_the_bus_unsubscribes(service: Program, bus: MessageBus, play: Play) -> None:
    async def scenario(client: BusClient) -> None:
        other = BusClient(await Connection.open(bus.address))
        await subscribe(client)
        await subscribe(other)
        assert service.command(do="state")["readers"] == 2
        other.connection.close()
        for _ in range(200):
            if service.command(do="state")["readers"] == 1:
                return
            await client.call(names.PEER, "Ping")
        pytest.fail("still subscribed")

    play(scenario)


def test_too_many_subscribers_are_refused(
    service: Program, bus: MessageBus, play: Play, start: Starter
) -> None:
    async def scenario(client: BusClient) -> None:
        others = [await Connection.open(bus.address) for _ in range(64)]
        try:
            for other in others:
                await subscribe(BusClient(other))
            with pytest.raises(BusError) as caught:
                await subscribe(client)
            assert caught.value.name == names.LIMIT
        finally:
            for other in others:
                other.close()

    play(scenario)


def test_a_flood_of_calls_does_not_block_others(
    service: Program, bus: MessageBus, play: Play
) -> None:
    async def scenario(client: BusClient) -> list[Any]:
        flood = await Connection.open(bus.address)
        try:
            calls = [
                asyncio.ensure_future(
                    flood.call(
                        Target(names.NAME, names.PATH, names.MANAGER),
                        "ListHelpers",
                        reply_timeout=30,
                    )
                )
                for _ in range(2000)
            ]
            (helpers,) = await client.manager("ListHelpers")
            # the first ones get a reply, some more are refused, the others are ignored
            first = await asyncio.gather(*calls[:32], return_exceptions=True)
            assert not [reply for reply in first if isinstance(reply, BaseException)]
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return list(helpers)
        finally:
            flood.close()

    assert len(play(scenario)) == 3
