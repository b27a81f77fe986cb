"""The command-line syntax: parsed by `main`, printed by `--help`, completed by `completion`.

Subcommands are not imported here; `target` names the function that implements one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fwhelpers.cli import argument_types, help_texts
from fwhelpers.cli.argument_parser import Parser

_DIRECTORY = Path("/etc/fwhelpers")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from fwhelpers.cli import build  # --help does not need it

        print(build.version())
        parser.exit()


def build() -> Parser:
    parser = Parser("fwhelpers", description=help_texts.DESCRIPTION, epilog=help_texts.EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_service(commands)
    _add_control(commands)
    _add_inspection(commands)
    _add_kernel(commands)
    _add_firewalld(commands)
    _add_import(commands)
    completion = _add(
        commands,
        "completion",
        "completion:show",
        "print a shell completion script",
        help_texts.COMPLETION,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="shell to print it for")
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_service(commands: _Commands[Parser]) -> None:
    run = _add(
        commands,
        "run",
        "run:run",
        "run the service in the foreground until SIGTERM",
        help_texts.RUN,
    )
    _add_config(run)
    check = _add(
        commands, "check", "check:check", "check prerequisites and suggest fixes", help_texts.CHECK
    )
    _add_config(check)
    _add_json(check)


def _add_control(commands: _Commands[Parser]) -> None:
    status = _add(commands, "status", "status:status", "show service status", help_texts.STATUS)
    _add_json(status)
    expectations = _add(
        commands,
        "expectations",
        "status:expectations",
        "list current expectations",
        help_texts.EXPECTATIONS,
    )
    expectations.add_argument("--helper", metavar="NAME", help="only those of this helper")
    _add_json(expectations)
    for name, text in (("enable", help_texts.ENABLE), ("disable", help_texts.DISABLE)):
        command = _add(commands, name, f"status:{name}", f"{name} helpers", text)
        command.add_argument("name", nargs="+", metavar="NAME", help="a helper (fwhelpers list)")
        command.add_argument(
            "--persist", action="store_true", help="keep it after reload and restart"
        )
        _add_json(command)
    reload = _add(
        commands, "reload", "status:reload", "reload the configuration", help_texts.RELOAD
    )
    _add_json(reload)


def _add_inspection(commands: _Commands[Parser]) -> None:
    listing = _add(
        commands, "list", "list_helpers:list_helpers", "list helpers and plugins", help_texts.LIST
    )
    listing.add_argument("helper", nargs="?", metavar="NAME", help="show the details of one helper")
    listing.add_argument(
        "--config",
        type=Path,
        metavar="DIR",
        help="show what this configuration directory (or single file) enables",
    )
    _add_json(listing)
    ruleset = _add(
        commands,
        "ruleset",
        "ruleset:ruleset",
        "print the nftables rules that `run` loads",
        help_texts.RULESET,
    )
    _add_config(ruleset)
    counters = _add(
        commands, "counters", "ruleset:counters", "print the running service's counters"
    )
    _add_json(counters)
    monitor = _add(
        commands,
        "monitor",
        "monitor:monitor",
        "print expectation events as they happen",
        help_texts.MONITOR,
    )
    monitor.add_argument(
        "--kernel", action="store_true", help="show the kernel's events instead of the service's"
    )
    _add_json(monitor)
    _add_explain(commands)
    _add_top(commands)
    _add_metrics(commands)
    _add_replay(commands)


def _add_explain(commands: _Commands[Parser]) -> None:
    explain = _add(
        commands,
        "explain",
        "explain:explain",
        "explain why a connection is let in, or why not",
        help_texts.EXPLAIN,
    )
    explain.add_argument(
        "source", type=argument_types.address, metavar="SRC", help="address of the client"
    )
    explain.add_argument(
        "destination", type=argument_types.address, metavar="DST", help="address it connects to"
    )
    explain.add_argument(
        "port", type=argument_types.port, nargs="?", metavar="PORT", help="destination port"
    )
    explain.add_argument(
        "--l4",
        choices=("tcp", "udp", "esp"),
        default="tcp",
        help="transport (default: %(default)s)",
    )
    explain.add_argument(
        "--sport", type=argument_types.port, metavar="N", help="source port (default: any)"
    )
    _add_json(explain)


def _add_top(commands: _Commands[Parser]) -> None:
    top = _add(commands, "top", "top:top", "show a live view of the service", help_texts.TOP)
    top.add_argument(
        "--interval",
        type=argument_types.interval,
        default=1.0,
        metavar="SECONDS",
        help="time between updates (default: %(default)s)",
    )


def _add_metrics(commands: _Commands[Parser]) -> None:
    metrics = _add(
        commands, "metrics", "metrics:metrics", "print metrics for Prometheus", help_texts.METRICS
    )
    target = metrics.add_mutually_exclusive_group()
    target.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="replace this file, for node_exporter's textfile collector",
    )
    target.add_argument(
        "--listen",
        metavar="ADDRESS",
        help="serve them over HTTP until interrupted: HOST:PORT, [IPV6]:PORT or unix:PATH",
    )


def _add_replay(commands: _Commands[Parser]) -> None:
    replay = _add(
        commands, "replay", "replay:replay", "run helpers over a packet capture", help_texts.REPLAY
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="a pcap, pcapng or snoop file")
    replay.add_argument(
        "--helper",
        action="append",
        metavar="NAME",
        help="run only this helper (repeatable; default: the enabled ones, or all without a"
        " configuration)",
    )
    replay.add_argument(
        "--port",
        action="append",
        type=argument_types.port,
        metavar="PORT",
        help="server port of control connections (repeatable; requires exactly one --helper)",
    )
    replay.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="PREFIX",
        help="a network that was on-link (repeatable; default: the /24 or /64 of the client)",
    )
    replay.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a page in HTML with all control connections",
    )
    replay.add_argument(
        "--anonymise",
        action="store_true",
        help="replace the addresses in the report, and write the capture with other addresses"
        " beside it (FILE.pcap)",
    )
    _add_config(replay)
    _add_json(replay)


def _add_kernel(commands: _Commands[Parser]) -> None:
    register = _add(
        commands,
        "register",
        "run:register",
        "register all helpers with the kernel",
        help_texts.REGISTER,
    )
    _add_config(register)
    register.add_argument(
        "--no-pin",
        action="store_true",
        help="register only; for modprobe, which runs while a ruleset is being loaded",
    )
    release = "disable our helpers in the kernel (after a crash)"
    _add(commands, "release", "run:release", release, help_texts.RELEASE)
    unregister = "remove all helpers from the kernel"
    _add(commands, "unregister", "run:unregister", unregister, help_texts.UNREGISTER)
    takeover = _add(
        commands,
        "takeover",
        "takeover:takeover",
        "repair what conntrackd committed (after a failover)",
        help_texts.TAKEOVER,
    )
    _add_config(takeover)
    _add_json(takeover)
    replicate = _add(
        commands,
        "replicate",
        "replicate:replicate",
        "replicate expectations to the other gateway",
        help_texts.REPLICATE,
    )
    _add_config(replicate)
    summary = "show the state of a pair of gateways"
    cluster = _add(commands, "cluster", "cluster:cluster", summary, help_texts.CLUSTER)
    cluster.add_argument("view", metavar="status", choices=("status",), help="the view to print")
    for name in ("conntrackd", "keepalived"):
        file = f"/etc/{name}/{name}.conf"
        text = f"configuration of {name} (default: %(default)s)"
        cluster.add_argument(f"--{name}", type=Path, default=Path(file), metavar="FILE", help=text)
    _add_config(cluster)
    _add_json(cluster)


def _add_firewalld(commands: _Commands[Parser]) -> None:
    zones = _add(
        commands,
        "zones",
        "zones:zones",
        "show the helpers of each firewalld zone",
        help_texts.ZONES,
    )
    _add_config(zones)
    _add_json(zones)
    files = _add(
        commands,
        "firewalld-files",
        "zones:files",
        "write firewalld's files for helpers",
        help_texts.FILES,
    )
    files.add_argument("directory", type=Path, metavar="DIR", help="target, created if missing")
    files.add_argument(
        "--helper",
        action="append",
        metavar="NAME",
        help="only this helper (repeatable; default: all installed helpers)",
    )


def _add_import(commands: _Commands[Parser]) -> None:
    command = _add(
        commands,
        "import-conntrackd",
        "import_conntrackd:import_conntrackd",
        "convert a conntrackd configuration",
        help_texts.IMPORT,
    )
    command.add_argument("file", type=Path, metavar="FILE", help="a conntrackd.conf")
    command.add_argument(
        "--rules",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="firewall rules that assign its helpers: a script with iptables, nft and nfct"
        " commands, or the output of iptables-save, ip6tables-save or `nft list ruleset`"
        " (repeatable)",
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="write to this file, which must not exist (default: standard output)",
    )


def _add(
    commands: _Commands[Parser], name: str, target: str, summary: str, epilog: str = ""
) -> Parser:
    description = summary[0].upper() + summary[1:] + "."
    command = commands.add_parser(name, help=summary, description=description, epilog=epilog)
    command.set_defaults(target=target, parser=command)
    return command


def _add_config(command: Parser) -> None:
    command.add_argument(
        "--config",
        type=Path,
        default=_DIRECTORY,
        metavar="DIR",
        help="configuration directory or single file (default: %(default)s)",
    )


def _add_json(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
