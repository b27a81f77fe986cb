"""`fwhelpers takeover`: repairs the expectations that conntrackd committed on the new active gateway."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from errno import ENOENT

from fwhelpers.cli.announced import announced
from fwhelpers.cli.common import Setup, print_json, read, warn
from fwhelpers.cli.printable import printable
from fwhelpers.cli.providers import effective
from fwhelpers.cli.replicated import replicated
from fwhelpers.daemon import takeover_record
from fwhelpers.daemon.takeover_record import Takeover
from fwhelpers.engine.active import Active
from fwhelpers.engine.expectation_key import Connection, identity_of
from fwhelpers.engine.registry import Registry
from fwhelpers.engine.replicated import Replicated
from fwhelpers.engine.takeover import NO_MACHINE, Finding, examine
from fwhelpers.kernel import conntrack, expect
from fwhelpers.kernel.conntrack import Conntrack
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import NetlinkSocket

ENDED = "it ended before its repair"


@dataclass(slots=True)
class Result:
    """Numbers of expectations, and why some were deleted."""

    kept: int
    repaired: int
    refused: Mapping[str, int]
    lost: Mapping[str, int]

    def counts(self) -> str:
        """Return them for people, on one line."""
        parts = [f"{self.repaired} repaired", f"{self.kept} kept"]
        parts += [_with_reasons("refused", self.refused), _with_reasons("lost", self.lost)]
        return ", ".join(parts)


def takeover(arguments: argparse.Namespace) -> int:
    """Repair the expectations of enabled helpers, and delete the others of ours. Return 1 if one was lost."""
    active, notes = effective(read(arguments.config))
    for note in notes:
        warn(f"note: {note}")
    records = replicated(active.config)
    with closing(NetlinkSocket()) as netlink:
        result = repair(netlink, active, records)
    _record(result)
    if arguments.json:
        counts = {"repaired": result.repaired, "kept": result.kept}
        print_json({**counts, "refused": dict(result.refused), "lost": dict(result.lost)})
    else:
        print(printable(f"takeover: {result.counts()}"))
    return 1 if result.lost else 0


def _record(result: Result) -> None:
    row = Takeover(time.time(), result.repaired, result.kept, result.refused, result.lost)
    try:
        takeover_record.add(row)
    except OSError as error:  # the expectations count, not their history
        path = takeover_record.STATE / takeover_record.NAME  # the error names a temporary file
        warn(f"warning: this take-over is not recorded: {path}: {error.strerror}")


def repair(netlink: NetlinkSocket, active: Setup, records: Sequence[Replicated] = ()) -> Result:
    """Examine the kernel's and the other gateway's expectations, and carry the findings out.

    Raises NetlinkError.
    """
    from fwhelpers.daemon.address_watch import machine
    from fwhelpers.daemon.worker_config import kernel_max, max_expectations

    ours = {helper.kernel_name for helper in active.plugins.helpers.values() if helper.parser}
    listed = [e for e in _expectations(netlink) if e.helper in ours]
    registry = Registry(max_expectations(1, kernel_max()))
    masters = _masters(netlink, [*listed, *(record.expectation for record in records)])
    where = machine() if records else NO_MACHINE
    findings = examine(
        listed, masters, _helpers(active), registry, time.monotonic(), records, where
    )
    refused, lost = Counter[str](), Counter[str]()
    repaired = 0
    for finding in _order(findings):
        error = _carry_out(netlink, finding)
        if finding.refusal is not None:
            refused[f"{finding.refusal.rule}: {finding.refusal.reason}"] += 1
        elif error:
            lost[error] += 1
        elif finding.replacement is not None:
            repaired += 1
    kept = len(findings) - repaired - refused.total() - lost.total()
    bounded = takeover_record.bounded
    return Result(kept, repaired, bounded(refused), bounded(lost))


def _order(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings that change something: first those that clients wait for.

    The rest might be announced here, on a gateway that was active already, and then stays as it is.
    """
    changes = [
        f for f in findings if f.replacement is not None or f.refusal is not None or f.lifetime
    ]
    first = [f for f in changes if f.is_untranslated or f.is_new]
    yield from first
    rest = [f for f in changes if not (f.is_untranslated or f.is_new)]
    ours = announced() if rest else frozenset()
    yield from (f for f in rest if identity_of(f.expectation) not in ours)


def _helpers(active: Setup) -> Mapping[str, Active]:
    from fwhelpers.daemon.worker_config import limits

    return {
        active.plugins.helpers[name].kernel_name: Active(
            active.plugins.helpers[name], config.settings, limits(config.guard)
        )
        for name, config in active.config.inspected.items()
    }


def _expectations(netlink: NetlinkSocket) -> Iterator[Expectation]:
    for payload in list(netlink.dump(expect.encode_dump(), "list expectations")):
        try:
            yield expect.parse_expectation(payload)
        except DecodeError as error:
            warn(f"warning: unreadable expectation in the kernel's list: {error}")


def _masters(
    netlink: NetlinkSocket, expectations: Sequence[Expectation]
) -> dict[Connection, Conntrack]:
    masters: dict[Connection, Conntrack] = {}
    for owner in dict.fromkeys(Connection(e.zone, e.master) for e in expectations):
        try:
            (payload, *_) = netlink.request(conntrack.encode_get(owner.orig, owner.zone))
            masters[owner] = conntrack.parse_conntrack(payload)
        except (NetlinkError, DecodeError, ValueError):  # it has just ended
            continue
    return masters


def _carry_out(netlink: NetlinkSocket, finding: Finding) -> str:
    """Return why the repaired or created expectation does not exist, or an empty text."""
    whole = finding.replacement
    if whole is None and finding.refusal is None:
        netlink.request_all([expect.encode_renew(finding.expectation, finding.lifetime)])
        return ""  # if it has ended meanwhile, nothing is lost
    error = 0
    if not finding.is_new:
        (error,) = netlink.request_all([expect.encode_delete(finding.expectation)])
    if whole is None:
        return ""
    if error:  # it was used, or its connection has ended, and must not come back
        return ENDED if error == ENOENT else os.strerror(error)
    (error,) = netlink.request_all([expect.encode_create(whole)])
    if not error and finding.lifetime:
        # a creation gets the policy's lifetime. If it was used in between, nothing is lost
        netlink.request_all([expect.encode_renew(whole, finding.lifetime)])
    return os.strerror(error) if error else ""


def _with_reasons(name: str, reasons: Mapping[str, int]) -> str:
    if not reasons:
        return f"0 {name}"
    texts = [
        reason + (f" ({count} times)" if count > 1 else "") for reason, count in reasons.items()
    ]
    return f"{sum(reasons.values())} {name} ({'; '.join(texts)})"
