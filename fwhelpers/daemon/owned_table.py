"""State kept across manager restarts in systemd's descriptor store: the nftables table and the NFQUEUE sockets.

A socket owns the table. While systemd holds that socket, the rules stay, and the next manager replaces them through it
in one transaction, so that the table exists at every moment. (Flows: see `engine.handover`.)
"""

from __future__ import annotations

import os

from fwhelpers.daemon.supervisor import queue_number
from fwhelpers.daemon.systemd import FdStore
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.socket import QueueSocket

TABLE = "table"  #: name in the store of the socket that owns the table


class OwnedTable:
    """A libnftables context whose table can outlive it. Raises NftError where libnftables is missing."""

    def __init__(self, store: FdStore) -> None:
        self._store = store
        try:
            self.nft = Nft(adopt=store.pop(TABLE))
        except NftError:
            store.drop_all()
            raise
        self._loaded = self.nft.adopted
        if not self._loaded:
            store.drop(TABLE)

    def load(self, rules: str) -> None:
        """Replace the rules. Raises NftError."""
        self.nft.run(rules)
        self._loaded = True

    def store_fd(self) -> None:
        """Store the owning socket with the service manager."""
        owner = self.nft.fileno()
        if owner is not None:
            # systemd closes the last one first: the table must go before the queues that its rules use
            self._store.store(TABLE, owner)

    def close(self) -> None:
        """Close our socket; the table stays if its socket is stored."""
        self.nft.close()

    def remove(self, teardown: str) -> None:
        """Delete the table. Raises NftError."""
        try:
            if (
                self._loaded
            ):  # closing does not delete it while the service manager holds the socket
                self.nft.run(teardown)
        finally:
            self.nft.close()
            self._store.drop(TABLE)


def release_queues(store: FdStore) -> None:
    """Close the stored queues that are not in use; their packets are accepted. Raises OSError.

    To be called when no rule uses them any more.
    """
    for name in store.names():
        fd, number = store.pop(name), queue_number(name)
        store.drop(name)
        if fd is None:
            continue
        if number is None:
            os.close(fd)
        else:
            QueueSocket(fd).release(number)
