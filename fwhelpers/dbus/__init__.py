"""D-Bus as a library: connection, client, names and introspection; `service` is our own bus service.

Only `connection` and `client` import the third-party library.
"""

from __future__ import annotations
