"""All keys of the configuration, once: this drives reading, messages and the reference."""

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
    type: str  #: for people
    default: Any  #: the TOML value; None: see `doc`
    doc: str
    check: Check


DAEMON = (
    Key("workers", "integer, 0–64", 0, "inspection processes; 0: one per CPU",
        validators.integer(0, MAX_WORKERS)),
    Key("queues", "integer, 0–65535", 1000, "first NFQUEUE number; each worker takes one",
        validators.integer(0, LAST_QUEUE)),
    Key("steering", '"rules" or "helper"', "rules",
        "who hands packets over: our nftables rules, or the kernel's helper hook (costs more)",
        validators.choice("rules", "helper")),
    Key("fail", '"open" or "closed"', "open",
        "with no worker, control connections pass uninspected (open) or not at all (closed)",
        validators.choice("open", "closed")),
    Key("block_plugins", "array of names", [],
        "plugins not to load: an entry point, a distribution, or `distribution:entry-point`",
        validators.names),
)  # fmt: skip

FIREWALLD = (
    Key("follow", "boolean", True,
        "a service of firewalld that names a helper enables it where the service's zone or policy is",
        validators.boolean),
    Key("ignore", "array of names", [], "helpers that firewalld's services do not enable",
        validators.names),
)  # fmt: skip

HELPER = (
    Key("enabled", "boolean", True,
        "false: switched off, as if the table were not there, and for firewalld's zones, too",
        validators.boolean),
    Key("ports", "array of ports", None,
        "server ports of the control connection; default: the helper's own", validators.ports),
    Key("families", "array of 4, 6", None, "address families; default: the helper's own",
        validators.families),
    Key("interfaces", "array of names", None,
        "where control connections come in; default: anywhere, and from this host itself."
        ' NetworkManager\'s: "profile:NAME", "type:wifi"',
        validators.interfaces),
    Key("sources", "array of prefixes", None, "clients; default: all", validators.prefixes),
    Key("destinations", "array of prefixes", None,
        "servers, as the client addresses them; default: all", validators.prefixes),
    Key("fail", '"open" or "closed"', None, "as in [daemon], for this helper",
        validators.choice("open", "closed")),
)  # fmt: skip

GUARD = (
    Key("address", '"peer", "announced" or "any-src"', "peer",
        "whom an announcement may name: its sender; anybody; anybody, opened by anybody",
        validators.choice("peer", "announced", "any-src")),
    Key("addresses", "array of prefixes", None,
        "hosts that an announcement may name besides its sender", validators.prefixes),
    Key("min_port", "integer, 1–65535", None, "lowest port to open; default: the helper's own",
        validators.integer(1, 65535)),
    Key("allow_ports", "array of ports", [], "well-known ports that may be opened all the same",
        validators.allowed_ports),
    Key("rate", "integer, 1–1000", 100, "openings a second for each client",
        validators.integer(1, 1000)),
    Key("max_per_source", "integer, 1–1024", 32, "openings alive for each client",
        validators.integer(1, 1024)),
)  # fmt: skip

DISCOVERY = (
    Key("port", "integer, 1–65535", None, "port to which requests go; must be given",
        validators.integer(1, 65535)),
    Key("groups", "array of addresses", None,
        "multicast groups to which requests go; these, or broadcast, must be given",
        validators.groups),
    Key("broadcast", "boolean", False, "requests go to an IPv4 broadcast address",
        validators.boolean),
    Key("signature", "array of strings", None,
        'what all requests have: "OFFSET:HEX", or "OFFSET:HEX/MASK"; must be given', validators.signature),
    Key("source_port", "integer, 1–65535", None, "port from which requests leave; default: any",
        validators.integer(1, 65535)),
    Key("reply_port", 'port, "same" or "any"', "same",
        "port from which answers come; same: the one to which the request went",
        validators.port_or("same", "any")),
    Key("window", "integer, 1–30", 5, "seconds during which answers may come",
        validators.integer(1, 30)),
    Key("sources", '"on-link" or "link-local"', "on-link",
        "who may answer: hosts on the link; only those with an fe80:: address",
        validators.choice("on-link", "link-local")),
    Key("doc", "string", "", "one line for `fwhelpers list`", validators.one_line),
)  # fmt: skip

#: all keys by table; a helper's table has its own settings besides
TABLES: Mapping[str, tuple[Key, ...]] = MappingProxyType(
    {
        "daemon": DAEMON,
        "firewalld": FIREWALLD,
        "helpers.NAME": HELPER,
        "helpers.NAME.guard": GUARD,
        "discovery.NAME": DISCOVERY,
    }
)


def reference(helpers: Mapping[str, Helper] = MappingProxyType({})) -> str:
    """All keys as Markdown, with the helpers' own settings."""
    tables = {
        name: [(k.name, k.type, k.default, k.doc) for k in keys] for name, keys in TABLES.items()
    }
    for helper in helpers.values():
        if helper.settings:
            own = [(s.name, "", s.default, s.doc) for s in helper.settings]
            tables[f"helpers.{helper.name}"] = own
    return "\n".join(_reference_lines(tables))


def toml(value: object) -> str:
    """A default as TOML text."""
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
            shown = "" if default is None else f"`{toml(default)}`"
            yield f"| `{key}` | {kind} | {shown} | {doc} |"
        yield ""


def setting_key(setting: Setting) -> Key:
    """A helper's own key. Whatever its check raises is Wrong."""

    def check(value: object) -> object:
        if setting.check is None:
            return _alike(value, setting.default)
        try:
            return setting.check(value)
        except validators.InvalidValue:
            raise
        except ValueError as error:
            raise validators.InvalidValue(str(error) or "is not possible") from None
        except Exception as error:  # a plugin's bug is no reason to stop without a word
            what = f"the helper's own check failed: {error!r}"
            raise validators.InvalidValue(what, "a bug of the plugin") from None

    return Key(setting.name, "", setting.default, setting.doc, check)


def _alike(value: object, default: object) -> object:
    if isinstance(default, bool):
        return validators.boolean(value)
    if type(value) is not type(default):
        kind, wanted = validators.type_name(value), validators.type_name(default)
        raise validators.InvalidValue(f"must be {wanted}, not {kind}")
    return value
