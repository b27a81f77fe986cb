"""How exposed is each service, by systemd's own measure? Prints the table of docs/security.md.

    python benchmarks/exposure.py

Judges our units from the source tree, and those of other services from where they are installed. Needs systemd 252.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

OURS = Path(__file__).parents[1] / "packaging/systemd"
INSTALLED = Path("/usr/lib/systemd/system")
OTHERS = ("NetworkManager", "conntrackd", "firewalld")
_OVERALL = re.compile(r"Overall exposure level for \S+: ([\d.]+) (\w+)")


def exposure(unit: Path) -> tuple[float, str]:
    """systemd's verdict on a unit file: 0 (best) to 10, and the word for it. Raises ValueError."""
    # a unit is found beside itself, with no drop-in of this machine's
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = _OVERALL.search(done.stdout)
    if found is None:
        raise ValueError(f"{unit.name}: {done.stderr.strip() or 'no verdict'}")
    return float(found[1]), found[2]


def main() -> int:
    """Print the table."""
    names = (
        "fwhelpers",
        *(f"fwhelpers-{n}" for n in ("register", "metrics", "exporter", "replication")),
    )
    units = [OURS / f"{name}.service" for name in names]
    units += [INSTALLED / f"{name}.service" for name in OTHERS]
    print("| unit | exposure |\n|---|---|")
    for unit in units:
        if not unit.exists():
            print(f"| {unit.name} | not installed here |")
            continue
        level, word = exposure(unit)
        print(f"| {unit.name} | {level} {word} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
