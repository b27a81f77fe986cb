# Sourced in a network namespace and an empty folder: two conntrackds that synchronise, `there` in the second one's namespace.
configuration() { # NAME OWN OTHER
    cat >"$1.conf" <<CONF
Sync {
    Mode FTFW {
    }
    UDP {
        IPv4_address $2
        IPv4_Destination_Address $3
        Port 3780
        Interface sync
    }
}
General {
    HashSize 32768
    HashLimit 65536
    LogFile $PWD/$1.log
    Syslog off
    LockFile $PWD/$1.lock
    UNIX {
        Path $PWD/$1.control
    }
    Filter From Userspace {
        Address Ignore {
            IPv4_address $2
            IPv4_address $3
        }
    }
}
CONF
}
until_true() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }
rm -f ./*.log
configuration first 10.0.9.1 10.0.9.2
configuration second 10.0.9.2 10.0.9.1
unshare --net sleep 60 &
peer=$!
there() { nsenter --net="/proc/$peer/ns/net" "$@"; }
apart() { [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; }
until_true apart
ip link add sync type veth peer name sync netns $peer
ip address add 10.0.9.1/24 dev sync && ip link set sync up
there ip address add 10.0.9.2/24 dev sync && there ip link set sync up
conntrackd -C first.conf >/dev/null 2>&1 &
there conntrackd -C second.conf >/dev/null 2>&1 &
until_true conntrackd -C first.conf -s
until_true there conntrackd -C second.conf -s
