"""Programs of npm packages, pinned by version and hash in package-lock.json.

`./dev test` installs them in build/, which the virtual machine sees.
"""

from __future__ import annotations

from pathlib import Path

MODULES = Path(__file__).resolve().parents[3] / "build" / "npm" / "node_modules"
