"""What the other gateway has replicated, asked of `fwhelpers replicate` on this one."""

from __future__ import annotations

from fwhelpers.cli.common import warn
from fwhelpers.config import Config
from fwhelpers.engine.registry import NO_ACCOUNT
from fwhelpers.engine.replicated import Replicated
from fwhelpers.kernel.expect import parse_expectation
from fwhelpers.replication import local_socket
from fwhelpers.replication.local_table import Answer, ask
from fwhelpers.replication.records import Live

TIMEOUT = 3.0  #: seconds; a take-over does not wait for a process that hangs


def replicated(config: Config) -> list[Replicated]:
    """Return the records for a take-over, which count as taken from now on; none without replication.

    A process that does not answer is worth a warning if replication is configured.
    """
    try:
        answer = query(mark=True)
    except (OSError, ValueError) as error:
        if config.replication is not None:
            warn(f"warning: nothing is known of the other gateway: {problem_of(error)}")
        return []
    return [_record(live) for live in answer.records]


def query(mark: bool) -> Answer:
    """Ask the process. Raises OSError and ValueError."""
    return ask(local_socket.RUNTIME / local_socket.TABLE, mark, TIMEOUT)


def problem_of(error: Exception) -> str:
    """Return why the process did not answer, on one line."""
    path = local_socket.RUNTIME / local_socket.TABLE
    return f"{path}: {getattr(error, 'strerror', None) or error}"


def _record(live: Live) -> Replicated:
    account = NO_ACCOUNT if live.account is None else live.account
    return Replicated(parse_expectation(live.payload), live.remaining, account, live.taken)
