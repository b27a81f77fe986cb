"""The TOML configuration: files, schema, validation, and the immutable result.

Reading the files is the only I/O here. Nothing in this folder asks firewalld, NetworkManager or
the kernel.
"""

from __future__ import annotations

from fwhelpers.config.files import DIRECTORY, ConfigError, Problem
from fwhelpers.config.loader import default, load, parse, resolve
from fwhelpers.config.model import (
    Config,
    DaemonConfig,
    FirewalldConfig,
    HelperConfig,
    ReplicationConfig,
    UnresolvedConfig,
    limits_by_family,
)

__all__ = [
    "DIRECTORY",
    "Config",
    "ConfigError",
    "DaemonConfig",
    "FirewalldConfig",
    "HelperConfig",
    "Problem",
    "ReplicationConfig",
    "UnresolvedConfig",
    "default",
    "limits_by_family",
    "load",
    "parse",
    "resolve",
]
