#!/bin/bash
# Title: a reload of ufw adds the rules of before.rules' other tables once more, and keeps those that were removed.
# Version: ufw 0.36.2-1, iptables 1.8.9-2
# Guess: a reload makes the kernel's rules those of the files: the manual recommends *nat and *raw sections in them.
# Seen: after two reloads a rule of *raw is there three times, and all three after its removal from the file
#       (2026-11-30).
# Here: -j CT --helper ftp acts before our rules until the next boot; fwhelpers check says so (docs/ufw.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs ufw=0.36.2-1 iptables=1.8.9-2 libxtables12=1.8.9-2 libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 \
    libnetfilter-conntrack3 libnfnetlink0
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
root=$work/root
mkdir -p "$root/etc/default" "$work/bin"
# what the package's postinst does, and its PATH with these iptables
for file in before after user; do
    cp "$root/usr/share/ufw/iptables/$file.rules" "$root/usr/share/ufw/iptables/${file}6.rules" "$root/etc/ufw/"
done
printf 'ENABLED=yes\n' >"$root/etc/ufw/ufw.conf"
printf '%s\n' IPV6=no DEFAULT_{INPUT,FORWARD}_POLICY=DROP DEFAULT_OUTPUT_POLICY=ACCEPT MANAGE_BUILTINS=no \
    IPT_SYSCTL= IPT_MODULES= >"$root/etc/default/ufw"
for name in iptables iptables-restore ip6tables ip6tables-restore; do
    ln -s "$root/usr/sbin/xtables-nft-multi" "$work/bin/$name"
done
sed -i "s,^PATH=.*,PATH=$work/bin:\$PATH," "$root/lib/ufw/ufw-init-functions"
cp "$root/etc/ufw/before.rules" "$work/before.rules"
cat >>"$root/etc/ufw/before.rules" <<'END'
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p udp --dport 9 -j CT --notrack
COMMIT
END
cat >"$work/try" <<'END'
init() { sh "$1/root/lib/ufw/ufw-init" --rootdir "$1/root" --datadir "$1/root" "$2" >&2 || exit 2; }
count() { "$1/bin/iptables" -t raw -S | grep -c -- '-j CT'; }
init "$1" start; count "$1"
init "$1" force-reload; init "$1" force-reload; count "$1"
cp "$1/before.rules" "$1/root/etc/ufw/before.rules"
init "$1" force-reload; count "$1"
END
counts=$(in_namespace bash "$work/try" "$work" 2>"$work/log") || cannot "$(tail -n 1 "$work/log")"
expect "rules after start, two reloads, and a reload without the section" "1
3
3" "$counts"
finish
