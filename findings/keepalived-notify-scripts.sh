#!/bin/bash
# Title: keepalived runs the notify script of a state while the one of the state before still runs, and discards what they print.
# Version: keepalived 1:2.2.7-1+b2
# Guess: one script after the other, with --dont-fork (as in Debian's unit) into the journal.
# Seen: a FAULT that follows MASTER at once has its script beside that of MASTER. The output of both is /dev/null, in
#       either mode, and the exit status is not looked at (2026-11-30).
# Here: docs/examples/gateways/notify takes a lock and pipes its output to logger.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs keepalived=1:2.2.7-1+b2 libnl-3-200 libnl-genl-3-200
export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$work/root/lib/$(basename "$LD_LIBRARY_PATH")
chmod 755 "$work"
cat >"$work/notify" <<'END'
#!/bin/sh
cd "$(dirname "$0")"
echo "printed $3"
[ /proc/self/fd/1 -ef /dev/null ] && echo "$3" >>discarded
echo "begin $3" >>calls
# the script of MASTER waits for that of FAULT, 60 seconds at most
for _ in $(seq 600); do [ "$3" != MASTER ] || grep -q "begin FAULT" calls || sleep 0.1; done
echo "end $3" >>calls
exit 1
END
chmod 755 "$work/notify"
cat >"$work/conf" <<END
global_defs {
    enable_script_security
    script_user root
}
vrrp_instance one {
    interface lan
    state BACKUP
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.0.1.1/24
    }
    notify $work/notify
}
END
cat >"$work/run.sh" <<'END'
cd "$1"
shift
rm -f calls discarded
ip link set lo up
ip link add lan type veth peer name other
ip link set other up
ip link set lan up
ip addr add 10.0.1.11/24 dev lan
keepalived "$@" -P -l -f "$PWD/conf" -p "$PWD/pid" -r "$PWD/vrrp" >out 2>&1 &
until_called() { for _ in $(seq 300); do grep -qs "$1" calls && return; sleep 0.1; done; }
until_called "begin MASTER"
ip link set lan down
until_called "end MASTER"
grep -E "MASTER|begin FAULT" calls | tr '\n' ','
echo " $(grep -c printed out) printed, $(grep -c -E "MASTER|FAULT" discarded) discarded"
kill "$(cat pid)"
for _ in $(seq 100); do [ -e pid ] || break; sleep 0.1; done
END
for mode in --dont-fork ""; do
    # shellcheck disable=SC2086
    expect "keepalived $mode" "begin MASTER,begin FAULT,end MASTER, 0 printed, 2 discarded" \
        "$(in_namespace bash "$work/run.sh" "$work" $mode 2>/dev/null)"
done
finish
