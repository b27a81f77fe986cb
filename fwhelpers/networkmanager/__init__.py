"""NetworkManager: its devices and profiles over D-Bus, and references to them in the configuration.

Nothing here changes NetworkManager.
"""

from __future__ import annotations
