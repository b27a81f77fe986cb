"""What Python reads, as a file system of its own for the VM.

Over 9p each look for a file that is not there asks the host, and each start of Python looks for hundreds; and nothing
in the VM can keep what it compiled. So the interpreter's library, the virtual environment and the project's code are
laid out in an ext4 image, compiled: it is mounted over the same paths (guest.sh), and the VM's page cache serves them.
What the machine has installed by hand (/usr/local, *.pth of no package) is not in it: the lab is Debian's.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOUNTED = Path("/run/files")  #: where the VM mounts it
TREES = MOUNTED / "trees"  #: in it: the paths that it has, one a line

_DEBIAN = Path("/usr/lib/python3/dist-packages")
_PROJECT = ("fwhelpers", "plugins", "dbus", "tests", "benchmarks", "examples")
#: the interpreter never reads these: a static library, its own documentation, what only builds and checks
_LEFT_OUT = shutil.ignore_patterns(
    *(
        "config-*",
        "pydoc_data",
        "lib2to3",
        "idlelib",
        "*.pyi",
        "mypy",
        "mypyc",
        "*__mypyc*.so",
        "ruff*",
    ),
    *("pip", "virtme*", ".hypothesis"),
)
_ROOM = 1.3  #: of the files' size, for what the file system itself needs


def make(image: Path) -> Path:
    """Write the image; returns its path. Raises OSError and subprocess.CalledProcessError."""
    stage = image.with_suffix(".tree")
    shutil.rmtree(stage, ignore_errors=True)
    try:
        trees = list(_lay_out(stage))
        (stage / TREES.name).write_text("".join(f"{tree}\n" for tree in trees))
        _compile(stage)
        _pack(stage, image)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return image


def _lay_out(stage: Path) -> Iterator[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    environment = Path(sys.prefix)
    for tree in (library, _DEBIAN, environment, *(ROOT / name for name in _PROJECT)):
        if tree.is_dir():
            shutil.copytree(tree, _in(stage, tree), symlinks=True, ignore=_LEFT_OUT)
            yield tree
    local = Path("/usr/local/lib", library.name)
    if local.is_dir():
        _in(stage, local).mkdir(parents=True)
        yield local
    for path in _in(stage, _DEBIAN).glob("*.pth"):
        if subprocess.run(["dpkg", "-S", _DEBIAN / path.name], capture_output=True).returncode:
            path.unlink()
    _link_editable(stage, environment)


def _in(stage: Path, path: Path) -> Path:
    return stage / path.relative_to("/")


def _link_editable(stage: Path, environment: Path) -> None:
    """Replace an editable installation's import hook by links, which cost nothing at each start."""
    for finder in _in(stage, environment).glob("lib/*/site-packages/__editable___*_finder.py"):
        mapping: dict[str, str] = runpy.run_path(str(finder))["MAPPING"]
        for name, source in mapping.items():
            parent, _, module = name.rpartition(".")
            folder = _in(stage, _package_folder(parent, mapping)) if parent else finder.parent
            (folder / module).symlink_to(source)
        for path in finder.parent.glob("__editable__*"):
            path.unlink()


def _package_folder(package: str, mapping: Mapping[str, str]) -> Path:
    """Return a package's source folder: its own entry, or a folder below its parent's."""
    if package in mapping:
        return Path(mapping[package])
    parent, _, module = package.rpartition(".")
    if not parent:
        raise KeyError(package)
    return _package_folder(parent, mapping) / module


def _compile(stage: Path) -> None:
    compile_ = (sys.executable, "-m", "compileall", "-q", "-j0", "-s", stage, "-p", "/", stage)
    # a file that is not for this version of Python does not compile, and is not run either
    subprocess.run(compile_, check=False, capture_output=True)


def _pack(stage: Path, image: Path) -> None:
    listed = subprocess.run(["du", "-sk", stage], check=True, capture_output=True, text=True)
    size = int(int(re.findall(r"\d+", listed.stdout)[0]) * _ROOM)
    image.unlink(missing_ok=True)
    # an inode for each block: there is no smaller file
    plain = ("-O", "^has_journal", "-m", "0", "-i", "4096")
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", *plain, "-d", stage, image, f"{size}k"],
        check=True,
        capture_output=True,
    )
