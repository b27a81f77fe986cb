"""Determines why the running kernel lacks a feature: its configuration, its modules or its version."""

from __future__ import annotations

import gzip
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PACKAGES = "apt install linux-image-amd64 (Debian), dnf install kernel-modules-extra (Fedora)"

_CONFIG_FILES = ("proc/config.gz", "boot/config-{0}", "lib/modules/{0}/config")


class Requirement(NamedTuple):
    """A Kconfig option without its prefix, and its module ("" if it cannot be a module)."""

    option: str
    module: str = ""


class Kernel:
    """The running kernel's build configuration and modules."""

    def __init__(self, release: str = "", root: Path = Path("/")) -> None:
        self.release = release or platform.release()
        self.root = root
        self.modules_directory = root / "lib/modules" / self.release

    def modules(self) -> set[str]:
        """Return the installed and built-in modules; empty if the directory is missing."""
        files = (self.modules_directory / f"modules.{kind}" for kind in ("dep", "builtin"))
        return {name for file in files for name in _module_names(file)}

    def is_loaded(self, module: str) -> bool:
        return (self.root / "sys/module" / module).exists()

    def option(self, name: str) -> str | None:
        """Return "y", "m" or "n", or None if no kernel configuration is readable."""
        for pattern in _CONFIG_FILES:
            file = self.root / pattern.format(self.release)
            try:
                data = file.read_bytes()
                text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
            except (OSError, EOFError, ValueError):
                continue
            match = re.search(rf"^CONFIG_{name}=([ym])$", text, re.MULTILINE)
            return match[1] if match else "n"
        return None

    def is_older_than(self, major: int, minor: int) -> bool:
        match = re.match(r"(\d+)\.(\d+)", self.release)
        return match is not None and (int(match[1]), int(match[2])) < (major, minor)

    def explain(self, requirements: Sequence[Requirement]) -> str:
        """Return which requirement is not met and what to do, or "" if all of them are."""
        uncertain = ""
        for requirement in requirements:
            hint, certain = self._explain(requirement)
            if certain:
                return hint
            uncertain = uncertain or hint
        return uncertain

    def _explain(self, requirement: Requirement) -> tuple[str, bool]:
        option, module = requirement
        value = self.option(option)
        if value == "n":
            hint = f"kernel {self.release} is built without CONFIG_{option}"
            return f"{hint}; the kernels of Debian (linux-image-amd64) and Fedora have it", True
        if value == "y" or (module and self.is_loaded(module)):
            return "", False
        installed = self.modules()
        if module and module in installed:
            return f"load the module: modprobe {module}", True
        if module and installed:
            missing = f"kernel {self.release} has no module {module} (CONFIG_{option})"
            return f"{missing}: {PACKAGES}; then reboot", True
        load = f" (modprobe {module})" if module else ""
        return f"the kernel needs CONFIG_{option}{load}; its configuration is not readable", False


def _module_names(file: Path) -> set[str]:
    # each line begins with the path of a module
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return set()
    names = (Path(line.split(":", 1)[0]).name.split(".ko", 1)[0] for line in lines)
    return {name.replace("-", "_") for name in names}
