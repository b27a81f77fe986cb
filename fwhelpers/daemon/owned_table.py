"""What outlives a manager: the rules, and the queues that they lead to (flows: see `engine.handover`).

The table belongs to a socket. While the service manager keeps that socket for us, the rules stay as they are, and the
next manager replaces them through it in one transaction: at no moment is there no table.
"""

from __future__ import annotations

import os

from fwhelpers.daemon.supervisor import queue_number
from fwhelpers.daemon.systemd import FdStore
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.socket import QueueSocket

TABLE = "table"  #: in the store: the socket that owns the rules


class OwnedTable:
    """A libnftables context whose table can be left to a successor. Raises NftError where there is no libnftables."""

    def __init__(self, store: FdStore) -> None:
        self._store = store
        try:
            self.nft = Nft(adopt=store.take(TABLE))
        except NftError:
            store.drop_all()
            raise
        self._there = self.nft.adopted
        if not self._there:
            store.drop(TABLE)

    def load(self, rules: str) -> None:
        """Put rules in the place of those that are there. Raises NftError."""
        self.nft.run(rules)
        self._there = True

    def keep(self) -> None:
        """Have them outlive us."""
        owner = self.nft.fileno()
        if owner is not None:
            # systemd closes the last one first: let that be the table's, so that no rule leads nowhere
            self._store.put(TABLE, owner)

    def leave(self) -> None:
        """Close our side only."""
        self.nft.close()

    def remove(self, teardown: str) -> None:
        """Take them back. Raises NftError."""
        try:
            if self._there:  # closing is not enough while somebody else holds the socket
                self.nft.run(teardown)
        finally:
            self.nft.close()
            self._store.drop(TABLE)


def release_queues(store: FdStore) -> None:
    """Close the queues that a predecessor left and nobody took over; what waits in them passes. Raises OSError.

    No rule may lead to them any more.
    """
    for name in store.left():
        fd, number = store.take(name), queue_number(name)
        store.drop(name)
        if fd is None:
            continue
        if number is None:
            os.close(fd)
        else:
            QueueSocket(fd).release(number)
