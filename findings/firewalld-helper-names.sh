#!/bin/bash
# Title: firewalld takes any name for a service's helper, and --check-config finds nothing wrong with it.
# Version: firewalld 1.3.3-1~deb12u2
# Guess: INVALID_HELPER for a helper that does not exist, as a zone gets INVALID_SERVICE for such a service.
# Seen: "success" for --add-helper=nonexistent, and status 0 for --check-config; the name is in the service's file. A
#       helper's module must begin with nf_conntrack_, and is accepted if there is no such module (2026-11-30).
# Here: a typing error in a helper's name passes this check (docs/firewalld.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
python=/usr/bin/python3
debs firewalld=1.3.3-1~deb12u2 python3-firewall=1.3.3-1~deb12u2 python3-nftables=1.0.6-2+deb12u2 \
    libnftables1=1.0.6-2+deb12u2 python3-cap-ng python3-dbus python3-gi libcap-ng0
cp -r "$work/root/etc/firewalld" "$work/config"
firewall() {
    "$python" "$work/root/usr/bin/firewall-offline-cmd" --system-config "$work/config" \
        --default-config "$work/root/usr/lib/firewalld" "$@" 2>&1
    echo "status $?"
}
expect "new service" "success
status 0" "$(firewall --new-service=x)"
expect "its helper" "success
status 0" "$(firewall --service=x --add-helper=nonexistent)"
expect "new helper" "success
status 0" "$(firewall --new-helper=h --module=nf_conntrack_nonexistent)"
expect "a zone's service" "INVALID_SERVICE: Zone 'public': 'nonexistent' not among existing services" \
    "$(firewall --zone=public --add-service=nonexistent | head -n 1)"
expect "check" "status 0" "$(firewall --check-config)"
expect "file" '  <helper name="nonexistent"/>' "$(grep helper "$work/config/services/x.xml")"
finish
