"""A controller of Sonos players on SoCo: search, subscribe to the volume, take two events, leave.

Runs in a namespace as `python sonos_control.py [PLAYER]`; without a player's address it searches.
"""

from __future__ import annotations

import sys

import soco


def say(*words: object) -> None:
    print(*words, flush=True)


def main(address: str = "") -> None:
    players = {soco.SoCo(address)} if address else soco.discover(timeout=30)
    if not players:
        say("silence")
        return
    (player,) = players
    say("player", player.ip_address)
    subscription = player.renderingControl.subscribe(requested_timeout=600)
    try:
        for _ in range(2):
            event = subscription.events.get(timeout=30)
            say("volume", event.volume["Master"])
        subscription.renew()
    finally:
        subscription.unsubscribe()
        soco.events.event_listener.stop()
    say("end")


if __name__ == "__main__":
    main(*sys.argv[1:])
