#!/bin/bash
# Title: nmcli --offline drops the keys and sections of a profile that it does not know, without a message.
# Version: network-manager 1.42.4-1+deb12u1
# Guess: an unknown key of a keyfile, such as a misspelt zone, is an error or at least a warning; or it is kept.
# Seen: `connection modify` prints the profile without "zonee", the section [made-up] and the comment, with status 0 and
#       nothing on standard error. Any text is a zone, also one that no firewall can have (2026-11-30).
# Here: a misspelt zone leaves the interface in the default zone, and its helpers with it (docs/networkmanager.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 libglib2.0-0 libreadline8 libgnutls30 libudev1
cat >"$work/profile" <<'END'
[connection]
id=office
uuid=5523dff0-4952-45f0-acc1-b1df65000214
type=ethernet
zonee=home

[made-up]
# comment
key=value
END
nmcli --offline connection modify connection.autoconnect no <"$work/profile" >"$work/output" 2>"$work/errors"
expect "status" 0 $?
expect "messages" "" "$(cat "$work/errors")"
expect "kept of what it does not know" "" "$(grep -E 'zonee|made-up|comment|value' "$work/output")"
expect "kept of what it knows" "id=office" "$(grep ^id= "$work/output")"
expect "a zone" "zone=no such/zone" \
    "$(nmcli --offline connection add type ethernet con-name a connection.zone "no such/zone" 2>&1 | grep -i zone)"
finish
