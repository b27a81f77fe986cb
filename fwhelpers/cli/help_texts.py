"""The long texts of `fwhelpers --help` and of the subcommands' help; the man page uses them too."""

from __future__ import annotations

DESCRIPTION = """\
User-space connection-tracking helpers for nftables. They let the data
connections of FTP, NFSv3 and other protocols pass a firewall that accepts only
established and related connections."""

EPILOG = """\
first steps:
  fwhelpers check           check prerequisites and suggest fixes
  fwhelpers list            list the installed helpers
  fwhelpers run             run the service in the foreground
  fwhelpers status          show service status
  fwhelpers monitor         show expectations as they are created

exit status: 0 success, 1 failure (the reason is on stderr), 2 usage error;
3 and 4 as status, cluster and explain describe"""

RUN = """\
Prints "fwhelpers: ready" when rules and workers are active. SIGHUP reloads the
configuration; an invalid configuration is reported and not applied."""

CHECK = """\
Checks the kernel, privileges, plugins and configuration, and asks the kernel
whether it accepts the ruleset. Changes nothing.

examples:
  fwhelpers check
  fwhelpers check --config ./new-config --json"""

LIST = """\
OPENS shows, for each kind of expectation, how many a control connection may
have at the same time and how long they last. ENABLED is read from the running
service. Without the service, or with --config, it is read from the files.

examples:
  fwhelpers list
  fwhelpers list rpc
  fwhelpers list --json | jq -r '.helpers[].name'"""

RULESET = """\
Includes what firewalld's zones and NetworkManager's profiles currently add. If
one of them does not answer, a note on stderr says so.

examples:
  fwhelpers ruleset
  fwhelpers ruleset --config ./new-config | diff - now.nft"""

MONITOR = """\
Shows the events of the running service: created expectations, the connections
that match them, expired, withdrawn or refused expectations, and connections
that a helper has given up, with the reason. Without the service, or with
--kernel, shows the kernel's events in the format of `conntrack -E expect`; this
requires root. Lost events are reported on stderr.

examples:
  fwhelpers monitor
  fwhelpers monitor --json | jq 'select(.event == "refused")'"""

EXPLAIN = """\
Answers whether the first packet of a connection from SRC to DST at PORT would
pass this host, and which rule, zone, helper and expectation decides that: one
line with the answer, then the facts. Queries the service, firewalld, and as
root also the ruleset in force, conntrack and the kernel's expectations; what
could not be queried is listed. The addresses are those of the packet on
arrival; a destination after NAT is recognized, too. Changes nothing and sends
nothing.

exit status: 0 yes, 3 no, 4 cannot be determined, 1 error

examples:
  fwhelpers explain 10.0.1.2 10.0.2.2 40021
  fwhelpers explain fd01::2 fd02::2 2049 --l4 udp --json | jq .answer
  fwhelpers explain 10.0.1.2 10.0.2.2 --l4 esp"""

TOP = """\
Shows helpers with rates, workers with load and backlog, expectations with their
remaining time and the connections that used them, and refused announcements
with the reason. Expectations and refusals require the polkit action
view-details; no password is asked for. Continues after a restart of the
service. Requires the Python library rich.

keys: q quit, space pause, / filter (escape clears it), s sort by name, activity
or time, tab next page, arrows, page up/down, home and end scroll. NO_COLOR is
respected.

examples:
  fwhelpers top
  fwhelpers top --interval 5"""

METRICS = """\
Prints the numbers of the running service in OpenMetrics text format, without
addresses. If the service does not answer, fwhelpers_up is 0. --output writes
Prometheus' older text format, which the textfile collector requires. --listen
needs no privileges and answers requests for /metrics. Requires the Python
library prometheus_client. Two units of systemd do this, once enabled:
fwhelpers-metrics.timer writes the file each minute, and
fwhelpers-exporter.service listens at 127.0.0.1:9925.

examples:
  fwhelpers metrics
  fwhelpers metrics --output /var/lib/prometheus/node-exporter/fwhelpers.prom
  fwhelpers metrics --listen 127.0.0.1:9925
  fwhelpers metrics --listen unix:/run/fwhelpers-exporter/socket"""

STATUS = """\
Rates are those of the last minute. The last refusals are shown to users whom
polkit lets see addresses; no password is asked for.

exit status: 0 no problems, 3 a helper or worker has a problem, 1 the service is
not running

examples:
  fwhelpers status
  fwhelpers status --json | jq '.workers[].packets'"""

EXPECTATIONS = """\
Lists pending expectations and those whose connection still exists.

examples:
  fwhelpers expectations
  fwhelpers expectations --helper ftp --json | jq '.[].connections'"""

ENABLE = """\
Takes effect immediately and lasts until the next reload or restart. --persist
makes it permanent in conf.d/zz-enabled.toml. The settings of the helper's table
apply, if it has one.

examples:
  fwhelpers enable tftp
  fwhelpers enable --persist ftp rpc"""

DISABLE = """\
Takes effect immediately and lasts until the next reload or restart, or
permanently with --persist. Existing expectations remain; no new ones are
created.

examples:
  fwhelpers disable tftp
  fwhelpers disable --persist ftp"""

RELOAD = """\
Makes the running service apply the current files. If they contain an error, the
error is reported here and nothing changes."""

REPLAY = """\
Runs the helpers over the control connections of a capture, with the settings
and safety limits of the configuration, and reports for each expectation whether
the capture contains its connection. Reads pcap, pcapng and snoop files,
compressed with gzip or not. Requires no privileges and changes nothing.

A capture does not record which networks were on-link. By default, the /24 or
/64 around the client counts as its link; --link sets the real prefixes.

--report writes a page without scripts and external resources: the messages of
each control connection, what would open, what used it, what was refused and
why. With --anonymise, addresses are replaced by others of the same kind and
length, in reverse DNS names and records as well, and so are those of network
cards; user names, passwords, file names and host names are not. Equal leading
octets (IPv6: groups) stay equal. Frames without TCP or UDP are left out.

examples:
  fwhelpers replay nfs.pcap
  fwhelpers replay --link 10.0.0.0/16 discovery.pcapng.gz
  fwhelpers replay --helper ftp --port 2121 odd.pcapng --json
  fwhelpers replay --report bug.html --anonymise odd.pcapng"""

REGISTER = """\
Registers every installed helper with the kernel, disabled, and pins it, so that
firewall rules can refer to it. `run` does this as well. Use it alone in a unit
that starts before the firewall."""

RELEASE = """\
Disables our helpers in the kernel so that no connection waits for a service
that is not running. Required only with steering = "helper" after the service
was killed; its unit runs this command automatically."""

UNREGISTER = """\
Removes what `register` and `run` left in the kernel. Fails without changes
while another nftables table refers to one of the helpers."""

TAKEOVER = """\
For the script that makes a gateway the active one, after `conntrackd -c` and
`conntrackd -c expect`. conntrackd loses the translation and the class of
expectations; this restores them from the control connection's translation and
the helper's policies. Expectations of ours that the safety rules refuse, or
whose helper is not enabled, are deleted. With `fwhelpers replicate`, what the
other gateway reported is restored as it was there, and `conntrackd -c expect`
is not needed. Prints one line.

exit status: 0 success, 1 a repaired expectation was lost

example:
  conntrackd -c && conntrackd -c expect && fwhelpers takeover"""

REPLICATE = """\
Sends the live expectations of the running service to the other one of two
gateways, receives those of the other one, and keeps them for `fwhelpers
takeover`. Runs in the foreground until SIGTERM; needs no privileges. The
configuration has the addresses and the certificates in [replication]. Prints
"fwhelpers: replicating" when it listens. fwhelpers-replication.service does
this, once enabled.

example:
  fwhelpers replicate"""

CLUSTER = """\
Shows whether conntrackd receives messages of the other gateway, what it has
replicated, the same of `fwhelpers replicate` if it is configured, which virtual
addresses of keepalived's this host has, and the last `fwhelpers takeover` with
its losses. Requires root to query conntrackd and the replication; takes up to
three seconds if the other gateway is silent. Changes nothing.

exit status: 0 no problems, 3 a problem was found, 1 error

examples:
  fwhelpers cluster status
  fwhelpers cluster status --json | jq .last_takeover"""

IMPORT = """\
Prints a configuration for conntrackd's helpers; comments name the origin of
each line. What cannot be converted is reported on stderr, one line each. If a
file has a syntax error, nothing is written. The running system is not examined.

examples:
  fwhelpers import-conntrackd /etc/conntrackd/conntrackd.conf
  iptables-save > rules.v4; nft list ruleset > rules.nft
  fwhelpers import-conntrackd conntrackd.conf --rules rules.v4 \\
      --rules rules.nft --output /etc/fwhelpers/conf.d/conntrackd.toml"""

ZONES = """\
Queries the running firewalld; requires only permission to read its settings.

examples:
  fwhelpers zones
  fwhelpers zones --json | jq '.zones[] | select(.helpers | length > 0)'"""

FILES = """\
Writes helpers/*.xml and services/*.xml for /usr/lib/firewalld and a file for
/usr/lib/modprobe.d. Intended for packages of additional helpers.

example:
  fwhelpers firewalld-files --helper foo debian/tmp/firewalld"""

COMPLETION = """\
examples:
  source <(fwhelpers completion bash)
  fwhelpers completion zsh > ~/.zfunc/_fwhelpers
  fwhelpers completion fish > ~/.config/fish/completions/fwhelpers.fish"""
