"""All keys of the configuration. Parsing, error messages and the reference are derived from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fwhelpers.api import Helper, Setting
from fwhelpers.config import validators
from fwhelpers.config.validators import Check

MAX_WORKERS = 64
LAST_QUEUE = 65535


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the configuration."""

    name: str
    type: str  #: as shown in the reference
    default: Any  #: the TOML value; None if `doc` describes it
    doc: str
    check: Check


DAEMON = (
    Key("workers", "integer, 0–64", 0, "inspection processes; 0 starts one per CPU",
        validators.integer(0, MAX_WORKERS)),
    Key("queues", "integer, 0–65535", 1000, "first NFQUEUE number; each worker takes one",
        validators.integer(0, LAST_QUEUE)),
    Key("steering", '"rules" or "helper"', "rules",
        "what queues packets: our nftables rules, or the kernel's helper hook (slower)",
        validators.choice("rules", "helper")),
    Key("fail", '"open" or "closed"', "open",
        "without a worker, control connections pass uninspected (open) or are dropped (closed)",
        validators.choice("open", "closed")),
    Key("keep_masters", "boolean", False,
        "keep entries of control connections while what they announced goes on: for two gateways",
        validators.boolean),
    Key("block_plugins", "array of names", [],
        "plugins to skip, by entry point, distribution, or `distribution:entry-point`",
        validators.names),
)  # fmt: skip

FIREWALLD = (
    Key("follow", "boolean", True,
        "enable a helper in each firewalld zone or policy whose services include it",
        validators.boolean),
    Key("ignore", "array of names", [], "helpers that firewalld services do not enable",
        validators.names),
)  # fmt: skip

_KEYS = "/etc/fwhelpers/replication"  # created by the package, for root and the service's user

REPLICATION = (
    Key("listen", "address with port", None,
        "own address on the link between the gateways, which the other gateway connects to; required",
        validators.socket_address),
    Key("peer", "address with port", None, "the other gateway's `listen`; required",
        validators.socket_address),
    Key("certificate", "absolute path", f"{_KEYS}/own.crt", "own certificate, PEM",
        validators.absolute_path),
    Key("key", "absolute path", f"{_KEYS}/own.key", "its private key, PEM, without a password",
        validators.absolute_path),
    Key("peer_certificate", "absolute path", f"{_KEYS}/peer.crt",
        "the other gateway's certificate, PEM; during a change both, the old one and the new one",
        validators.absolute_path),
)  # fmt: skip

HELPER = (
    Key("enabled", "boolean", True,
        "false disables the helper, in firewalld's zones as well",
        validators.boolean),
    Key("ports", "array of ports", None,
        "server ports of control connections; default: the helper's own", validators.ports),
    Key("families", "array of 4, 6", None, "address families; default: the helper's own",
        validators.families),
    Key("interfaces", "array of names", None,
        "input interfaces of control connections; default: any, and connections from this host."
        ' NetworkManager profiles and types: "profile:NAME", "type:wifi"',
        validators.interfaces),
    Key("sources", "array of prefixes", None, "client addresses; default: all", validators.prefixes),
    Key("destinations", "array of prefixes", None,
        "server addresses as the client uses them, before DNAT; default: all", validators.prefixes),
    Key("backend", '"user" or "kernel"', "user",
        "who acts: our helper, or the kernel's own for the same protocol, without our guard and settings",
        validators.choice("user", "kernel")),
    Key("fail", '"open" or "closed"', None, "as in [daemon], for this helper only",
        validators.choice("open", "closed")),
)  # fmt: skip

GUARD = (
    Key("address", '"peer", "announced" or "any-src"', "peer",
        "addresses that an announcement may name: its sender's; any; any, with any source",
        validators.choice("peer", "announced", "any-src")),
    Key("addresses", "array of prefixes", None,
        "addresses that an announcement may name in addition to its sender's", validators.prefixes),
    Key("min_port", "integer, 1–65535", None, "lowest port to open; default: the helper's own",
        validators.integer(1, 65535)),
    Key("allow_ports", "array of ports", [], "well-known ports to allow despite the default ban",
        validators.allowed_ports),
    Key("rate", "integer, 1–1000", 100, "expectations per second for each client",
        validators.integer(1, 1000)),
    Key("max_per_source", "integer, 1–1024", 32, "concurrent expectations of each client",
        validators.integer(1, 1024)),
)  # fmt: skip

DISCOVERY = (
    Key("port", "integer, 1–65535", None, "destination port of requests; required",
        validators.integer(1, 65535)),
    Key("groups", "array of addresses", None,
        "multicast groups of requests; required unless broadcast is true",
        validators.groups),
    Key("broadcast", "boolean", False, "requests are sent to an IPv4 broadcast address",
        validators.boolean),
    Key("signature", "array of strings", None,
        'bytes of all requests: "OFFSET:HEX" or "OFFSET:HEX/MASK"; required', validators.signature),
    Key("source_port", "integer, 1–65535", None, "source port of requests; default: any",
        validators.integer(1, 65535)),
    Key("reply_port", 'port, "same" or "any"', "same",
        "source port of answers; same: the destination port of the request",
        validators.port_or("same", "any")),
    Key("window", "integer, 1–30", 5, "seconds after a request during which answers are accepted",
        validators.integer(1, 30)),
    Key("sources", '"on-link" or "link-local"', "on-link",
        "hosts that may answer: any on the link, or only those with an fe80:: address",
        validators.choice("on-link", "link-local")),
    Key("doc", "string", "", "description for `fwhelpers list`", validators.one_line),
)  # fmt: skip

#: all keys by table; a helper's table also has the settings that its plugin declares
TABLES: Mapping[str, tuple[Key, ...]] = MappingProxyType(
    {
        "daemon": DAEMON,
        "firewalld": FIREWALLD,
        "replication": REPLICATION,
        "helpers.NAME": HELPER,
        "helpers.NAME.guard": GUARD,
        "discovery.NAME": DISCOVERY,
    }
)


def reference(helpers: Mapping[str, Helper] = MappingProxyType({})) -> str:
    """Return all keys as Markdown, including the settings of these helpers."""
    tables = {
        name: [(k.name, k.type, k.default, k.doc) for k in keys] for name, keys in TABLES.items()
    }
    for helper in helpers.values():
        if helper.settings:
            settings = [(s.name, "", s.default, s.doc) for s in helper.settings]
            tables[f"helpers.{helper.name}"] = settings
    return "\n".join(_reference_lines(tables))


def toml(value: object) -> str:
    """Return a value as TOML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return f"[{', '.join(map(toml, items))}]"
    return str(value)


def _reference_lines(tables: Mapping[str, list[tuple[str, str, Any, str]]]) -> Iterator[str]:
    for name, rows in tables.items():
        yield f"### [{name}]\n\n| key | value | default | |\n|---|---|---|---|"
        for key, kind, default, doc in rows:
            text = "" if default is None else f"`{toml(default)}`"
            yield f"| `{key}` | {kind} | {text} | {doc} |"
        yield ""


def setting_key(setting: Setting) -> Key:
    """Return the key for a setting that a plugin declares. Its check raises only InvalidValue.

    A plugin's check may raise ValueError(message) or ValueError(message, hint).
    """

    def check(value: object) -> object:
        if setting.check is None:
            return _same_type(value, setting.default)
        try:
            return setting.check(value)
        except validators.InvalidValue:
            raise
        except ValueError as error:
            message, hint, *_ = (*map(str, error.args), "", "")
            raise validators.InvalidValue(message or "invalid value", hint) from None
        except Exception as error:  # a bug in a plugin must not hide the other problems
            message = f"the helper's check failed: {error!r}"
            raise validators.InvalidValue(message, "this is a bug in the plugin") from None

    return Key(setting.name, "", setting.default, setting.doc, check)


def _same_type(value: object, default: object) -> object:
    if isinstance(default, bool):
        return validators.boolean(value)
    if type(value) is not type(default):
        actual, expected = validators.type_name(value), validators.type_name(default)
        raise validators.InvalidValue(f"must be {expected}, not {actual}")
    return value
