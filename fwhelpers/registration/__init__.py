"""Registration of cthelper objects with the kernel, and the kernel modules that it needs.

Nothing here loads our ruleset; that is `daemon.owned_table`.
"""

from __future__ import annotations
