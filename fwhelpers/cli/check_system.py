"""What the distribution has to bring, and how Debian and Fedora bring it. Needs no rights; only looks.

pip installs neither libnftables nor its binding (PyPI's copies are not the project's), nor kernel modules.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from fwhelpers.kernel.probe import Finding
from fwhelpers.registration.kernel_modules import MODULES

#: Kconfig's names of the modules, for whoever builds a kernel
OPTIONS = {
    "nf_conntrack_netlink": "NF_CT_NETLINK",
    "nfnetlink_cthelper": "NF_CT_NETLINK_HELPER",
    "nfnetlink_queue": "NETFILTER_NETLINK_QUEUE",
    "nft_ct": "NFT_CT",
    "nft_queue": "NFT_QUEUE",
}

_PLACES = ("usr/lib/python3/dist-packages", "usr/lib/python3*/site-packages")


def findings(release: str, root: Path = Path("/")) -> Iterator[Finding]:
    """Python binding and library of nftables, D-Bus, modules of the kernel `release`."""
    yield _binding(root)
    yield _library()
    yield _dbus()
    yield from _modules(release, root)


def _binding(root: Path) -> Finding:
    name = "Python binding of nftables"
    if find_spec("nftables"):
        return Finding(name, True)
    for place in _PLACES:
        if any(root.glob(f"{place}/nftables/__init__.py")):
            hint = f"make it with `python3 -m venv --system-site-packages {sys.prefix}`"
            return Finding(name, False, "installed, but hidden from this Python environment", hint)
    hint = "apt install python3-nftables (Debian), dnf install python3-nftables (Fedora)"
    if sys.prefix != sys.base_prefix:
        hint += "; this environment must have been made with --system-site-packages to see it"
    return Finding(name, False, "not installed", hint)


def _library() -> Finding:
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        hint = "apt install libnftables1 (Debian), dnf install nftables (Fedora)"
        return Finding("libnftables", False, str(error), hint)
    return Finding("libnftables", True)


def _dbus() -> Finding:
    if find_spec("dbus_fast"):
        return Finding("D-Bus for Python", True, "dbus-fast")
    hint = "apt install python3-dbus-fast (Debian), dnf install python3-dbus-fast (Fedora)"
    what = "dbus-fast is not installed: the service can't be reached over D-Bus, all else works"
    return Finding("D-Bus for Python", False, what, hint)


def _modules(release: str, root: Path) -> Iterator[Finding]:
    folder = root / "lib/modules" / release
    known = _listed(folder / "modules.dep") | _listed(folder / "modules.builtin")
    if not known:  # a container, or a kernel from elsewhere: trying it out (probe) must tell
        yield Finding("kernel modules", True, f"can't be looked up: nothing in {folder}")
        return
    loaded = {name for name in MODULES if (root / "sys/module" / name).exists()}
    missing = [name for name in MODULES if name not in known | loaded]
    if not missing:
        yield Finding("kernel modules", True, ", ".join(MODULES))
    for name in missing:
        yield Finding(f"module {name}", False, f"kernel {release} is without it", _kernel(name))


def _kernel(name: str) -> str:
    return (
        "apt install linux-image-amd64 (Debian), dnf install kernel-modules-extra (Fedora),"
        f" or a kernel with CONFIG_{OPTIONS[name]}; then reboot"
    )


def _listed(file: Path) -> set[str]:
    """The modules of modules.dep or modules.builtin, which have a path at the beginning of each line."""
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return set()
    names = (Path(line.split(":", 1)[0]).name.split(".ko", 1)[0] for line in lines)
    return {name.replace("-", "_") for name in names}
