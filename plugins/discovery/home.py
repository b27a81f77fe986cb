"""Rows of the discovery table: lamps, switches, air conditioners and media servers of the home."""

from __future__ import annotations

from fwhelpers.discovery import ANY, Row

from .shapes import broadcast, match_bytes
from .validators import home, ssdp

#: protocols of vendors
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
    # LAN protocol 1024, addressable, tagged (to all devices), any origin; message type 2, GetService
    broadcast(
        "lifx",
        (56700,),
        "LIFX lamps",
        (36, 64),
        match_bytes(2, b"\0\x34", mask=b"\xff\x3f"),
        match_bytes(32, b"\2\0"),
        spec="LIFX LAN protocol",
    ),
    # {"system": or {"smartlife…": or the like, each byte XORed with the one before, from 171; newer devices: TDP
    # version 2, discovery
    broadcast(
        "kasa",
        (9999, 20002),
        "TP-Link Kasa and Tapo plugs and lamps",
        (16, 2048),
        match_bytes(0, b"\xd0\xf2", b"\2\0\0\1"),
    ),
    broadcast(
        "gree",
        (7000,),
        "Gree air conditioners",
        (12, 512),
        match_bytes(0, b"{"),
        validator=home.check_gree,
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
    broadcast(
        "magichome",
        (48899,),
        "MagicHome lamps, GoodWe inverters (Hi-Flying modules)",
        (17, 32),
        match_bytes(0, b"HF-A11ASSISTHREAD", b"WIFIKIT-214028-READ"),
    ),
    broadcast(
        "wiz",
        (38899,),
        "Philips WiZ lamps",
        (20, 1024),
        match_bytes(0, b"{"),
        validator=home.check_wiz,
    ),
    # hello: length 32, all other bits set
    broadcast(
        "miio",
        (54321,),
        "Xiaomi devices (miIO)",
        (32, 32),
        match_bytes(0, b"\x21\x31\0\x20" + b"\xff" * 28),
    ),
    # eight zero bytes; command 6, hello
    broadcast(
        "broadlink",
        (80,),
        "Broadlink remote controls and plugs",
        (48, 48),
        match_bytes(0, bytes(8)),
        match_bytes(0x26, b"\6"),
        window=10,
    ),
    broadcast(
        "midea", (6445, 20086), "Midea air conditioners", (40, 256), match_bytes(0, b"\x5a\x5a\1")
    ),
    broadcast(
        "jellyfin",
        (7359,),
        "Jellyfin and Emby media servers",
        (18, 64),
        match_bytes(
            0,
            b"Who is JellyfinServer?",
            b"who is JellyfinServer?",
            b"Who is EmbyServer?",
            b"who is EmbyServer?",
        ),
    ),
    # ArtPoll
    broadcast(
        "artnet",
        (6454,),
        "stage lighting (Art-Net)",
        (14, 64),
        match_bytes(0, b"Art-Net\0\0\x20"),
        answer_port=6454,
        spec="Art-Net 4",
    ),
)
