"""The plugin API: helpers, their parsers, and the events that parsers yield.

A plugin declares `Helper`s through the hook in `fwhelpers.plugin.hookspecs`. Each helper names a parser class. The core
creates one parser for each control connection, feeds it the bytes, and acts on the events that it yields. A parser has
no access to NAT, checksums, netlink, packets or the clock; addresses are those that the two ends use for themselves.

A parser yields events, yields nothing because it needs more bytes, or raises `ParseError`.
"""

from __future__ import annotations

import pluggy

from fwhelpers.api.events import (
    MAX_COUNT,
    Cancel,
    Done,
    Drop,
    Endpoint,
    Event,
    Expect,
    Flow,
    Keep,
    ParseError,
    Refuse,
    Resize,
    Rewrite,
    Used,
)
from fwhelpers.api.helper import KERNEL_HELPERS, Helper, KernelHelper, Policy, Setting
from fwhelpers.api.parsers import DatagramParser, LineParser, Parser, StreamParser

__all__ = [
    "KERNEL_HELPERS", "MAX_COUNT", "Cancel", "DatagramParser", "Done", "Drop", "Endpoint", "Event",
    "Expect", "Flow", "Helper", "Keep", "KernelHelper", "LineParser", "ParseError", "Parser", "Policy",
    "Refuse", "Resize", "Rewrite", "Setting", "StreamParser", "Used", "hookimpl",
]  # fmt: skip

hookimpl = pluggy.HookimplMarker("fwhelpers")
