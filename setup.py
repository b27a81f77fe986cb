"""Compile the packet path with mypyc if FWHELPERS_COMPILE=1; all else is in pyproject.toml.

The compiled modules lie beside their sources, which any other Python or machine runs instead.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from setuptools import setup

#: mypyc, and pluggy, whose types it reads: an isolated build has neither
REQUIRED = ["mypy>=1.13", "pluggy>=1.0"]
PACKAGES = ("fwhelpers/engine", "fwhelpers/events", "fwhelpers/kernel")
MODULES = ("expectations", "messages", "reporter", "summary", "verdict_batch")  #: of the worker
#: not supported by mypyc: exceptions with a built-in base other than Exception, ctypes structures
INTERPRETED = {"__init__.py", "nfnl.py", "privileges.py", "socket.py"}


def sources() -> list[str]:
    """Return the modules to compile, in the same order everywhere."""
    files = [path for package in PACKAGES for path in Path(package).glob("*.py")]
    files += [Path("fwhelpers/worker", f"{name}.py") for name in MODULES]
    return sorted(str(path) for path in files if path.name not in INTERPRETED)


def extensions() -> dict[str, Any]:
    """Return the arguments of setup() for a compiled build."""
    if find_spec("mypyc") is None:
        if "egg_info" in sys.argv:  # pip asks for the requirements of the build
            return {"setup_requires": REQUIRED}
        raise SystemExit(f"FWHELPERS_COMPILE=1 needs {', '.join(REQUIRED)}")
    import mypyc
    from mypyc.build import mypycify

    modules = mypycify(sources(), group_name="fwhelpers.native", target_dir="build/mypyc")
    # Python's own flags, which CFLAGS replaces in newer setuptools; and no path of the builder's mypyc
    flags = ["-fwrapv", "-DNDEBUG", f"-ffile-prefix-map={Path(mypyc.__file__).parents[1]}=."]
    for module in modules:
        module.extra_compile_args = [*module.extra_compile_args, *flags]  # mypycify shares one list
    return {"ext_modules": modules}


setup(**extensions() if os.environ.get("FWHELPERS_COMPILE") == "1" else {})
