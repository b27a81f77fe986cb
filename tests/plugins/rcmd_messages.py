"""The first bytes of rsh and rexec clients."""

from __future__ import annotations

from dataclasses import replace

from fwhelpers_plugins.rcmd import RESERVED, RESERVED_MASK, fwhelpers_helpers

from fwhelpers.api import Expect
from fwhelpers.testing import Playbook

RSH, REXEC = fwhelpers_helpers()
PRIVILEGED = {"privileged": True}

RSH_REST = b"root\0root\0echo out; echo err >&2\0"
REXEC_REST = b"guest\0secret\0ls -l\0"


def rsh(family: int = 4, *, privileged: bool = True) -> Playbook:
    return Playbook(RSH, family=family, privileged=privileged)


def stderr(play: Playbook, port: int, size: int, *, reserved: bool = True) -> Expect:
    """Return the announcement of a port whose number has `size` digits."""
    expected = Expect(play.server, play.client.at(port), span=(0, size), trigger="stderr")
    if not reserved:
        return expected
    return replace(expected, sport=RESERVED.start, sport_mask=RESERVED_MASK)
