"""The distribution's ufw in a namespace of the lab, with files of its own there."""

from __future__ import annotations

from pathlib import Path

from lab.topology import Lab

EXAMPLE = Path(__file__).parents[2] / "docs/examples/ufw/gateway.rules"

_FILES = """
set -e
cp -rL /usr/share/ufw /run/ufw-files
cp /etc/ufw/sysctl.conf /run/ufw-files/
mkdir /run/ufw-files/applications.d
cp /etc/default/ufw /run/ufw-default
chmod 640 /run/ufw-files/*.rules
mount --bind /run/ufw-files /etc/ufw
mount --bind /run/ufw-default /etc/default/ufw
nft flush ruleset
"""
#: the line of ufw's before.rules that gateway.rules replaces
_RELATED = "-A ufw{}-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"


class Ufw:
    """ufw with the rules that its package installs; `enable` loads them."""

    def __init__(self, lab: Lab, ns: str = "g") -> None:
        self.lab = lab
        self.ns = ns
        self.inside = lab.namespaces[ns]
        self.inside.run("sh", "-c", _FILES)
        self.originals = {family: self._file(family).read_text() for family in ("", "6")}

    def _file(self, family: str) -> Path:
        return self.inside.path(f"/etc/ufw/before{family}.rules")

    def enable(self) -> None:
        self.inside.run("ufw", "--force", "enable")

    def route(self, l4: str, port: int) -> None:
        """Forward new connections from clients to a port, in both families."""
        words = f"allow in on lan out on wan to any port {port} proto {l4}"
        self.inside.run("ufw", "route", *words.split())

    def restore(self) -> None:
        """Load the package's rules again."""
        for family, text in self.originals.items():
            self._file(family).write_text(text)
        self.reload()

    def limit(self, example: str) -> None:
        """Put an example's rules in place of the one that accepts all related connections, and load them."""
        for family, text in self.originals.items():
            line = _RELATED.format(family)
            assert line in text
            replacement = example.replace("ufw-", f"ufw{family}-")
            self._file(family).write_text(text.replace(line, replacement))
        self.reload()

    def append(self, rules: str) -> None:
        """Append another table to before.rules, and load it."""
        with self._file("").open("a") as file:
            file.write(rules)
        self.reload()

    def reload(self) -> None:
        self.inside.run("ufw", "reload")

    def check(self) -> str:
        """Return the output of `fwhelpers check` with the service's configuration."""
        return self.lab.fwhelpers(
            "check", "--config", "/run/lab/fwhelpers", ns=self.ns, check=False
        ).stdout
