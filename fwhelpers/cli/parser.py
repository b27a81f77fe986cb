"""The command line, declared: what `main` runs, `--help` prints and `completion` completes.

Nothing here imports a subcommand: `target` names the function that will do it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fwhelpers import __version__

_DIRECTORY = Path("/etc/fwhelpers")

_DESCRIPTION = """\
Connection-tracking helpers in user space, for nftables systems: lets the data
connections of FTP, NFSv3 and others through a firewall that accepts only
established and related connections."""

_EPILOG = """\
first steps:
  fwhelpers check           what this system lacks, with the remedy
  fwhelpers list            which helpers there are
  fwhelpers run             the service in the foreground
  fwhelpers status          how it does
  fwhelpers monitor         what the helpers open, as it happens

exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage"""

_RUN = """\
Says "fwhelpers: ready" when all is in force. SIGHUP reads the configuration
again; a wrong one is told and changes nothing."""

_CHECK = """\
Looks at the kernel, the rights, the plugins and the configuration, and asks the
kernel whether it would take the ruleset. Nothing is changed.

examples:
  fwhelpers check
  fwhelpers check --config ./new-config --json"""

_LIST = """\
OPENS tells for each kind of expectation how many a control connection may have
alive, and for how long.
What is enabled is asked of the running service; without it, or with --config,
it is read from the files.

examples:
  fwhelpers list
  fwhelpers list rpc
  fwhelpers list --json | jq -r '.helpers[].name'"""

_RULESET = """\
What firewalld's zones and NetworkManager's connections now add is in it. Where
they can't be asked it is left out, and told on stderr.

examples:
  fwhelpers ruleset
  fwhelpers ruleset --config ./new-config | diff - now.nft"""

_MONITOR = """\
Tells what the running service tells: what was announced and expected, the
connection that came, what expired, was withdrawn or refused. Without the
service (or with --kernel) the kernel's own events, in the format of
`conntrack -E expect`; that needs root. Lost events are told on stderr.

examples:
  fwhelpers monitor
  fwhelpers monitor --json | jq 'select(.event == "refused")'"""

_STATUS = """\
exit status: 0 all is well, 3 a helper or a worker has a problem, 1 the service
does not run

examples:
  fwhelpers status
  fwhelpers status --json | jq '.workers[].packets'"""

_EXPECTATIONS = """\
Those that wait for their connection, and those whose connection is still there.

examples:
  fwhelpers expectations
  fwhelpers expectations --helper ftp --json | jq '.[].connections'"""

_ENABLE = """\
At once, in the running service. It holds until the next reload or restart, or
for good with --persist, which writes conf.d/zz-enabled.toml. The helper's own
table, if there is one, says how.

examples:
  fwhelpers enable tftp
  fwhelpers enable --persist ftp rpc"""

_DISABLE = """\
At once, in the running service. It holds until the next reload or restart, or
for good with --persist. What is expected already stays; nothing new is.

examples:
  fwhelpers disable tftp
  fwhelpers disable --persist ftp"""

_RELOAD = """\
The running service goes over to what the files say now. With an error in them
nothing changes, and the error is told here."""

_REPLAY = """\
Runs the helpers over the control connections of a pcap or pcapng file. Needs no
privileges and changes nothing. Tells for each expectation whether the capture
then shows the connection.

examples:
  fwhelpers replay nfs.pcap
  fwhelpers replay --helper ftp --port 2121 odd.pcapng --json"""

_REGISTER = """\
Registers every installed helper with the kernel, disabled, and pins it, so that
a firewall whose rules name it can load them. `run` does so too; a unit that
runs before the firewall starts needs it alone."""

_RELEASE = """\
Sets every helper of ours in the kernel to disabled, so that no connection waits
for a service that is not there. Needed only with steering = "helper", after the
service was killed; its unit does so by itself."""

_UNREGISTER = """\
Takes back what `register` and `run` left in the kernel. Refuses, with nothing
changed, while another nftables table refers to one of the helpers."""

_IMPORT = """\
Prints a configuration for the helpers that conntrackd ran, each line with its
origin. What could not be carried over is told on stderr, a line each. Nothing
is written where a file can't be understood. Looks at no running system.

examples:
  fwhelpers import-conntrackd /etc/conntrackd/conntrackd.conf
  iptables-save > rules.v4; nft list ruleset > rules.nft
  fwhelpers import-conntrackd conntrackd.conf --rules rules.v4 \\
      --rules rules.nft --output /etc/fwhelpers/conf.d/conntrackd.toml"""

_ZONES = """\
Asks the running firewalld; needs no rights but those to read its settings.

examples:
  fwhelpers zones
  fwhelpers zones --json | jq '.zones[] | select(.helpers | length > 0)'"""

_FILES = """\
Writes helpers/*.xml and services/*.xml for /usr/lib/firewalld, and a file for
/usr/lib/modprobe.d: for who packages a helper of his own.

example:
  fwhelpers firewalld-files --helper foo debian/tmp/firewalld"""

_COMPLETION = """\
examples:
  source <(fwhelpers completion bash)
  fwhelpers completion zsh > ~/.zfunc/_fwhelpers
  fwhelpers completion fish > ~/.config/fish/completions/fwhelpers.fish"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=80)

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if isinstance(action, argparse._SubParsersAction):
            self._action_max_length += 2  # argparse forgets that it indents commands once more


def build() -> argparse.ArgumentParser:
    """Make the parser."""
    parser = argparse.ArgumentParser(
        "fwhelpers", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Formatter
    )
    parser.add_argument("--version", action="version", version=f"fwhelpers {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _service(commands)
    _live(commands)
    _look(commands)
    _kernel(commands)
    _firewalld(commands)
    _import(commands)
    completion = _command(
        commands, "completion", "completion:show", "print completion for a shell", _COMPLETION
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")
    return parser


_Commands = argparse._SubParsersAction  # argparse has no public name for it


def _service(commands: _Commands[argparse.ArgumentParser]) -> None:
    run = _command(
        commands, "run", "run:run", "run the service in the foreground until SIGTERM",
        _RUN,
    )  # fmt: skip
    _config(run)
    check = _command(commands, "check", "check:check", "report what is missing or wrong", _CHECK)
    _config(check)
    _json(check)


def _look(commands: _Commands[argparse.ArgumentParser]) -> None:
    listing = _command(commands, "list", "list_helpers:listing", "list helpers and plugins", _LIST)
    listing.add_argument("helper", nargs="?", metavar="NAME", help="tell all about this one helper")
    listing.add_argument(
        "--config", type=Path, metavar="DIR",
        help="say what this configuration directory (or single file) enables",
    )  # fmt: skip
    _json(listing)
    ruleset = _command(
        commands, "ruleset", "ruleset:ruleset", "print the nftables rules that would be loaded",
        _RULESET,
    )  # fmt: skip
    _config(ruleset)
    counters = _command(
        commands, "counters", "ruleset:counters", "print the running service's counters"
    )
    _json(counters)
    monitor = _command(
        commands, "monitor", "monitor:monitor", "print expectations as they come and go", _MONITOR
    )
    monitor.add_argument(
        "--kernel", action="store_true", help="show the kernel's events, don't ask the service"
    )
    _json(monitor)
    _replay(commands)


def _live(commands: _Commands[argparse.ArgumentParser]) -> None:
    status = _command(commands, "status", "status:status", "show how the service does", _STATUS)
    _json(status)
    expectations = _command(
        commands, "expectations", "status:expectations", "list what is expected now", _EXPECTATIONS
    )
    expectations.add_argument("--helper", metavar="NAME", help="of this helper only")
    _json(expectations)
    for name, text in (("enable", _ENABLE), ("disable", _DISABLE)):
        switch = _command(commands, name, f"status:{name}", f"{name} helpers", text)
        switch.add_argument("name", nargs="+", metavar="NAME", help="a helper (fwhelpers list)")
        switch.add_argument("--persist", action="store_true", help="also after reload and restart")
        _json(switch)
    reload = _command(
        commands, "reload", "status:reload", "have the configuration read again", _RELOAD
    )
    _json(reload)


def _replay(commands: _Commands[argparse.ArgumentParser]) -> None:
    replay = _command(
        commands, "replay", "replay:replay", "run helpers over a packet capture", _REPLAY
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="a pcap or pcapng file")
    replay.add_argument(
        "--helper", action="append", metavar="NAME",
        help="only this helper (may be given several times; default: the configured ones,"
        " without a configuration all)",
    )  # fmt: skip
    replay.add_argument(
        "--port", action="append", type=int, metavar="PORT",
        help="server port of its control connections, instead of its own (with one --helper)",
    )  # fmt: skip
    _config(replay)
    _json(replay)


def _kernel(commands: _Commands[argparse.ArgumentParser]) -> None:
    register = _command(
        commands, "register", "run:register", "register all helpers with the kernel", _REGISTER
    )
    _config(register)
    register.add_argument(
        "--no-pin", action="store_true",
        help="register only: for modprobe, which the kernel runs while it loads somebody's ruleset",
    )  # fmt: skip
    _command(
        commands, "release", "run:release", "let no connection wait for a dead service",
        _RELEASE,
    )  # fmt: skip
    _command(
        commands, "unregister", "run:unregister", "remove all helpers from the kernel",
        _UNREGISTER,
    )  # fmt: skip


def _firewalld(commands: _Commands[argparse.ArgumentParser]) -> None:
    zones = _command(
        commands, "zones", "zones:zones", "tell for each of firewalld's zones which helpers act",
        _ZONES,
    )  # fmt: skip
    _config(zones)
    _json(zones)
    files = _command(
        commands, "firewalld-files", "zones:files", "write firewalld's files for helpers", _FILES
    )
    files.add_argument("directory", type=Path, metavar="DIR", help="where to; made if missing")
    files.add_argument(
        "--helper", action="append", metavar="NAME",
        help="only this helper (may be given several times; default: all that are installed)",
    )  # fmt: skip


def _import(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(
        commands, "import-conntrackd", "import_conntrackd:import_conntrackd",
        "make a configuration of conntrackd's", _IMPORT,
    )  # fmt: skip
    command.add_argument("file", type=Path, metavar="FILE", help="a conntrackd.conf")
    command.add_argument(
        "--rules", action="append", type=Path, default=[], metavar="FILE",
        help="firewall rules that gave connections to it: a script with iptables, nft and nfct"
        " commands, or what iptables-save, ip6tables-save, `nft list ruleset` print (may be given"
        " several times)",
    )  # fmt: skip
    command.add_argument(
        "--output", type=Path, metavar="FILE",
        help="write this file, which must not exist yet (default: standard output)",
    )  # fmt: skip


def _command(
    commands: _Commands[argparse.ArgumentParser],
    name: str,
    target: str,
    summary: str,
    epilog: str = "",
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=epilog,
        formatter_class=_Formatter,
    )  # fmt: skip
    command.set_defaults(target=target)
    return command


def _config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, default=_DIRECTORY, metavar="DIR",
        help="configuration directory, or a single file (default: %(default)s)",
    )  # fmt: skip


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
