"""Checks for the distribution's packages, with hints for Debian and Fedora. Needs no privileges.

pip provides neither libnftables nor its Python binding (the ones on PyPI are not the project's),
nor kernel modules.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from fwhelpers.kernel.features import PACKAGES, Kernel
from fwhelpers.kernel.probe import Finding
from fwhelpers.registration.kernel_modules import MODULES

#: the Kconfig options of the modules
OPTIONS = {
    "nf_conntrack_netlink": "NF_CT_NETLINK",
    "nfnetlink_cthelper": "NF_CT_NETLINK_HELPER",
    "nfnetlink_queue": "NETFILTER_NETLINK_QUEUE",
    "nft_ct": "NFT_CT",
    "nft_queue": "NFT_QUEUE",
}

_PACKAGE_DIRECTORIES = ("usr/lib/python3/dist-packages", "usr/lib/python3*/site-packages")


def findings(release: str, root: Path = Path("/")) -> Iterator[Finding]:
    """Check Python's packages, libnftables and the modules of kernel `release`."""
    yield _binding(root)
    yield _library()
    for package in _PACKAGES:
        yield _package(*package)
    yield from _modules(Kernel(release, root))


def _binding(root: Path) -> Finding:
    name = "Python binding of nftables"
    if find_spec("nftables"):
        return Finding(name, True)
    for directory in _PACKAGE_DIRECTORIES:
        if any(root.glob(f"{directory}/nftables/__init__.py")):
            hint = f"recreate it: python3 -m venv --system-site-packages {sys.prefix}"
            return Finding(
                name, False, "installed, but not visible in this virtual environment", hint
            )
    hint = "apt install python3-nftables (Debian), dnf install python3-nftables (Fedora)"
    if sys.prefix != sys.base_prefix:
        hint += "; this virtual environment needs --system-site-packages to use it"
    return Finding(name, False, "not installed", hint)


def _library() -> Finding:
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError as error:
        hint = "apt install libnftables1 (Debian), dnf install nftables (Fedora)"
        return Finding("libnftables", False, str(error), hint)
    return Finding("libnftables", True)


#: purpose, module, package of the distributions, result of its absence
_PACKAGES = (
    (
        "D-Bus for Python", "dbus_fast", "python3-dbus-fast",
        "dbus-fast is not installed; the service works, but without its D-Bus interface",
    ),
    (
        "addresses of this host", "pyroute2", "python3-pyroute2",
        "pyroute2 is not installed; discovery helpers refuse answers of hosts on the link",
    ),
)  # fmt: skip


def _package(name: str, module: str, package: str, absence: str) -> Finding:
    if find_spec(module):
        return Finding(name, True, module.replace("_", "-"))
    hint = f"apt install {package} (Debian), dnf install {package} (Fedora)"
    return Finding(name, False, absence, hint)


def _modules(kernel: Kernel) -> Iterator[Finding]:
    installed = kernel.modules()
    if not installed:  # in a container, or with a kernel from elsewhere; `probe` tries the features
        detail = f"not checked: {kernel.modules_directory} has no list of modules"
        yield Finding("kernel modules", True, detail)
        return
    missing = [m for m in MODULES if m not in installed and not kernel.is_loaded(m)]
    if not missing:
        yield Finding("kernel modules", True, ", ".join(MODULES))
    for module in missing:
        hint = f"{PACKAGES}, or a kernel with CONFIG_{OPTIONS[module]}; then reboot"
        yield Finding(f"module {module}", False, f"kernel {kernel.release} does not have it", hint)
