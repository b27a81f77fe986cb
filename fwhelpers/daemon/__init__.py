"""The service: the manager, which supervises the workers and applies the configuration.

What runs inside a worker is in `worker`; the D-Bus server is in `dbus.service`.
"""

from __future__ import annotations
