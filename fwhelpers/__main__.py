"""`python -m fwhelpers`."""

from __future__ import annotations

import sys

from fwhelpers.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
