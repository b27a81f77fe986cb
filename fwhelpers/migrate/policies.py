"""Queues and expectation policies of a `Type`: what of them has a key with us, and why the rest has none."""

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
    """A value that stays a comment; `differs` where it is not as conntrackd ships it."""

    origin: Origin
    text: str
    differs: bool

    def note(self) -> MigrationNote:
        """For stderr."""
        return MigrationNote(self.origin, self.text)


def raised(types: Iterable[Type]) -> Number | None:
    """The highest ExpectMax above what a client may have with us by default: an administrator's own wish."""
    given = [policy.max for one in types for policy in one.policies if policy.max]
    above = [number for number in given if number.value > _PER_CLIENT]
    highest = max(above, key=lambda number: number.value, default=None)
    return highest._replace(value=min(highest.value, _MOST, _MOST_PER_CLIENT)) if highest else None


def remarks(one: Type, helper: Helper) -> Iterator[Remark]:
    """What a Type says besides, each with what becomes of it."""
    if one.queue is not None:
        what = (
            f"QueueNum {one.queue.value}: our workers share the queues from daemon.queues upwards"
        )
        yield Remark(one.queue.origin, what, one.queue.value > _LAST_SHIPPED_QUEUE)
    if one.length is not None:
        what = (
            f"QueueLen {one.length.value}: our queues hold 4096 packets, then pass them uninspected"
        )
        yield Remark(one.length.origin, what, one.length.value not in _SHIPPED_LENGTHS)
    for policy in one.policies:
        yield from _policy(policy, one, helper)


def _policy(policy: Policy, one: Type, helper: Helper) -> Iterator[Remark]:
    shipped = _SHIPPED.get(one.name, (set[int](), set[int]()))
    ours = max(policy.max for policy in helper.policies)
    seconds = max(policy.timeout for policy in helper.policies)
    most, timeout = policy.max, policy.timeout
    if most is not None and most.value <= _PER_CLIENT:
        what = f"ExpectMax {_or_all(most.value)}: a connection of ours has at most {ours}, which has no key"
        yield Remark(most.origin, what, most.value not in shipped[0])
    elif most is not None and most.value > _MOST:
        what = f"ExpectMax {most.value}: the kernel allows {_MOST}"
        yield Remark(most.origin, what, True)
    if timeout is not None:
        what = (
            f"ExpectTimeout {timeout.value}: ours is {seconds} seconds, on purpose, and has no key"
        )
        yield Remark(timeout.origin, what, timeout.value not in shipped[1])


def _or_all(value: int) -> str:
    return str(value) if value else f"0 (that is {_MOST})"
