"""Rows of the discovery table: lamps, switches, air conditioners and media servers of the home."""

from __future__ import annotations

from fwhelpers.discovery import ANY, Match, Row

from .validators import home, ssdp


def match_bytes(offset: int, *values: bytes, mask: bytes = b"") -> Match:
    return Match(offset, values, mask)


#: lamps, switches and other things of the home, by their vendors' own protocols
HOME = (
    Row(
        "govee",
        (4001,),
        groups=("239.255.255.250",),
        signature=(match_bytes(0, b"{"),),
        size=(20, 512),
        reply_port=ANY,
        answer_port=4002,
        window=10,
        spec="Govee LAN API",
        validator=home.check_govee,
        doc="Govee lamps",
    ),
    Row(
        "lifx",
        (56700,),
        broadcast=True,
        # LAN protocol 1024, addressable, tagged (to all devices), any origin; message type 2, GetService
        signature=(match_bytes(2, b"\0\x34", mask=b"\xff\x3f"), match_bytes(32, b"\2\0")),
        size=(36, 64),
        window=5,
        spec="LIFX LAN protocol",
        doc="LIFX lamps",
    ),
    Row(
        "kasa",
        (9999, 20002),
        broadcast=True,
        # {"system": or {"smartlife…": or the like, each byte XORed with the one before, from 171; newer devices: TDP
        # version 2, discovery
        signature=(match_bytes(0, b"\xd0\xf2", b"\2\0\0\1"),),
        size=(16, 2048),
        window=5,
        doc="TP-Link Kasa and Tapo plugs and lamps",
    ),
    Row(
        "gree",
        (7000,),
        broadcast=True,
        signature=(match_bytes(0, b"{"),),
        size=(12, 512),
        window=5,
        validator=home.check_gree,
        doc="Gree air conditioners",
    ),
    Row(
        "yeelight",
        (1982,),
        groups=("239.255.255.250",),
        signature=(match_bytes(0, b"M-SEARCH "),),
        size=(30, 2000),
        reply_port=ANY,
        window=10,
        longest=30,
        spec="Yeelight WiFi Light Inter-Operation",
        validator=ssdp.check,
        doc="Yeelight lamps",
    ),
    Row(
        "magichome",
        (48899,),
        broadcast=True,
        signature=(match_bytes(0, b"HF-A11ASSISTHREAD", b"WIFIKIT-214028-READ"),),
        size=(17, 32),
        window=5,
        doc="MagicHome lamps, GoodWe inverters (Hi-Flying modules)",
    ),
    Row(
        "wiz",
        (38899,),
        broadcast=True,
        signature=(match_bytes(0, b"{"),),
        size=(20, 1024),
        window=5,
        validator=home.check_wiz,
        doc="Philips WiZ lamps",
    ),
    Row(
        "miio",
        (54321,),
        broadcast=True,
        # hello: length 32, all other bits set
        signature=(match_bytes(0, b"\x21\x31\0\x20" + b"\xff" * 28),),
        size=(32, 32),
        window=5,
        doc="Xiaomi devices (miIO)",
    ),
    Row(
        "broadlink",
        (80,),
        broadcast=True,
        # eight zero bytes; command 6, hello
        signature=(match_bytes(0, bytes(8)), match_bytes(0x26, b"\6")),
        size=(48, 48),
        window=10,
        doc="Broadlink remote controls and plugs",
    ),
    Row(
        "midea",
        (6445, 20086),
        broadcast=True,
        signature=(match_bytes(0, b"\x5a\x5a\1"),),
        size=(40, 256),
        window=5,
        doc="Midea air conditioners",
    ),
    Row(
        "jellyfin",
        (7359,),
        broadcast=True,
        signature=(
            match_bytes(
                0,
                b"Who is JellyfinServer?",
                b"who is JellyfinServer?",
                b"Who is EmbyServer?",
                b"who is EmbyServer?",
            ),
        ),
        size=(18, 64),
        window=5,
        doc="Jellyfin and Emby media servers",
    ),
    Row(
        "artnet",
        (6454,),
        broadcast=True,
        signature=(match_bytes(0, b"Art-Net\0\0\x20"),),  # ArtPoll
        size=(14, 64),
        answer_port=6454,
        window=5,
        spec="Art-Net 4",
        doc="stage lighting (Art-Net)",
    ),
)
