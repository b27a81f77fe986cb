"""The lab: client, gateway and server as network namespaces, inside an emulated machine where the kernel needs it.

Tests stay in `tests/vm`; programs that run inside a namespace are in `tests/support/programs`.
"""

from __future__ import annotations

from pathlib import Path

#: programs that run inside a namespace, each by itself
PROGRAMS = Path(__file__).parents[1] / "support" / "programs"
