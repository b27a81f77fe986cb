"""firewalld: its zones, policies and services over D-Bus, and the helper assignments that follow from them.

Only `client` does I/O. Nothing here changes firewalld.
"""

from __future__ import annotations
