"""The D-Bus service: objects, methods, signals and authorization.

It talks to the daemon through the protocol in `control` alone.
"""

from __future__ import annotations
