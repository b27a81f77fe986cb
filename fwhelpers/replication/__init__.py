"""Replication of expectations to the second gateway, in a process of its own (`fwhelpers replicate`).

`records` and `table` are pure. The manager imports `records` and `local_socket` alone.
"""

from __future__ import annotations
