"""Helper for foo: on tcp/7777 the server announces data ports with `DATA <port>`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwhelpers.api import Event, Expect, Helper, LineParser, ParseError, Policy, hookimpl

FWHELPERS_API = 1
DATA = re.compile(rb"DATA (\d{1,5})\r?\n")


class Foo(LineParser):
    """Parses the lines of the server. Other messages announce nothing."""

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if not reply or not (match := DATA.fullmatch(line)):
            return
        if not 0 < (port := int(match[1])) < 65536:
            raise ParseError(f"not a port: {port}")
        yield Expect(
            client=self.flow.client, server=self.flow.server.at(port),
            span=match.span(1), encode=lambda end: b"%d" % end.port, trigger="DATA",
        )  # fmt: skip


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Return the helper of this plugin."""
    policies = [Policy("data", max=4, timeout=60)]
    return [Helper("foo", "tcp", ports=[7777], parser=Foo, policies=policies, doc="Foo")]
