"""Converts the queues and expectation policies of a `Type`, with remarks on those that have no key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fwhelpers.api import Helper
from fwhelpers.engine.guard import Limits
from fwhelpers.migrate.conntrackd import Number, Policy, Type
from fwhelpers.migrate.notes import MigrationNote, Origin

#: ExpectMax and ExpectTimeout of conntrackd's example files and of its helpers themselves
_SHIPPED = {
    "amanda": ({1, 3}, {180, 300}), "dhcpv6": ({1}, {300}), "ftp": ({1}, {300}),
    "mdns": ({8}, {30}), "rpc": ({1}, {300}), "sane": ({1}, {300}), "slp": ({8}, {16}),
    "ssdp": ({1, 8}, {300}), "tftp": ({1}, {300}), "tns": ({1}, {300}),
}  # fmt: skip
_LAST_SHIPPED_QUEUE = 9  #: the examples number their helpers' queues from 0
_SHIPPED_LENGTHS = (0, 1024, 10240)  #: the kernel's default, and the examples'

_PER_CLIENT = Limits().max_per_source
_MOST_PER_CLIENT = 1024
_MOST = 255  # nfnetlink_cthelper: NF_CT_EXPECT_MAX_CNT


class Remark(NamedTuple):
    """A value that becomes a comment; `differs` if it is not the value that conntrackd ships."""

    origin: Origin
    text: str
    differs: bool

    def note(self) -> MigrationNote:
        """Return the remark as a note."""
        return MigrationNote(self.origin, self.text)


def raised(types: Iterable[Type]) -> Number | None:
    """Return the highest ExpectMax if it exceeds our default for a client, else None."""
    numbers = [policy.max for type_ in types for policy in type_.policies if policy.max]
    above = [number for number in numbers if number.value > _PER_CLIENT]
    highest = max(above, key=lambda number: number.value, default=None)
    return highest._replace(value=min(highest.value, _MOST, _MOST_PER_CLIENT)) if highest else None


def remarks(type_: Type, helper: Helper) -> Iterator[Remark]:
    """Yield remarks on the queue and the policies of a Type."""
    if type_.queue is not None:
        text = (
            f"QueueNum {type_.queue.value}: our workers use the queues from daemon.queues upwards"
        )
        yield Remark(type_.queue.origin, text, type_.queue.value > _LAST_SHIPPED_QUEUE)
    if type_.length is not None:
        text = f"QueueLen {type_.length.value}: our queues hold 4096 packets; further ones pass uninspected"
        yield Remark(type_.length.origin, text, type_.length.value not in _SHIPPED_LENGTHS)
    for policy in type_.policies:
        yield from _policy(policy, type_, helper)


def _policy(policy: Policy, type_: Type, helper: Helper) -> Iterator[Remark]:
    shipped = _SHIPPED.get(type_.name, (set[int](), set[int]()))
    # conntrackd's helpers have no classes of expected control connections
    own = [policy for policy in helper.policies if not policy.children_only]
    ours = max(policy.max for policy in own)
    seconds = max(policy.timeout for policy in own)
    most, timeout = policy.max, policy.timeout
    if most is not None and most.value <= _PER_CLIENT:
        value = most.value or f"0 (that is {_MOST})"
        text = f"ExpectMax {value}: our limit for a connection is {ours}; no key changes it"
        yield Remark(most.origin, text, most.value not in shipped[0])
    elif most is not None and most.value > _MOST:
        text = f"ExpectMax {most.value}: the kernel allows {_MOST}"
        yield Remark(most.origin, text, True)
    if timeout is not None:
        text = f"ExpectTimeout {timeout.value}: our timeout is {seconds} seconds; no key changes it"
        yield Remark(timeout.origin, text, timeout.value not in shipped[1])
