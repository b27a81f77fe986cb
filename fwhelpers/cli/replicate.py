"""`fwhelpers replicate`: sends expectations to the other gateway, and keeps those of the other one."""

from __future__ import annotations

import argparse
import asyncio
import os

from fwhelpers import config
from fwhelpers.cli.errors import CliError


def replicate(arguments: argparse.Namespace) -> int:
    """Replicate until SIGTERM."""
    from fwhelpers.daemon import journal, runtime_dir, systemd
    from fwhelpers.replication import local_socket, service
    from fwhelpers.replication.credentials import CredentialError

    draft = config.load(arguments.config)
    if draft.problems:
        raise config.ConfigError(draft.problems)
    if draft.replication is None:
        raise CliError("[replication] is not configured", "see docs/gateways.md")
    journal.set_up()
    notifier = systemd.Notifier(os.environ)
    peer = draft.replication.peer

    def ready() -> None:
        notifier.ready(f"replicates with {peer}")
        print("fwhelpers: replicating", flush=True)

    feed = runtime_dir.RUNTIME / local_socket.FEED
    try:
        local_socket.RUNTIME.mkdir(parents=True, exist_ok=True)
        asyncio.run(service.serve(draft.replication, feed, local_socket.RUNTIME, ready))
    except CredentialError as error:
        raise CliError(str(error), "see docs/gateways.md") from None
    except OSError as error:
        raise CliError(f"listen: {error.strerror or error}") from None
    return 0
