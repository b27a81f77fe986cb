"""The TOML configuration: files, schema, validation, and the immutable result.

Pure apart from reading the files. Nothing here knows firewalld, NetworkManager or the kernel.
"""

from __future__ import annotations

from fwhelpers.config.loader import (
    DIRECTORY,
    Config,
    ConfigError,
    DaemonConfig,
    HelperConfig,
    Problem,
    UnresolvedConfig,
    default,
    load,
    parse,
    places,
    resolve,
)

__all__ = [
    "DIRECTORY",
    "Config",
    "ConfigError",
    "DaemonConfig",
    "HelperConfig",
    "Problem",
    "UnresolvedConfig",
    "default",
    "load",
    "parse",
    "places",
    "resolve",
]
