#!/bin/bash
# Runs inside the VM as root: guest.sh RUN-DIRECTORY, which holds `environment` and `command`.
# virtme-ng mounts the host's files over 9p without a cache: each start of Python reads megabytes packet by packet. The
# same files come once more through a second 9p device, and are mounted with one (nobody changes them under us).
[ -d "${1-}" ] && run=$1 || run=/run/fwlab # as a shell it gets other arguments, or none
. "$run/environment"
modprobe 9pnet_virtio
mkdir -p /run/cached
if mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose fwcached /run/cached; then
    mount --bind /run/cached/usr /usr
    mount --bind "/run/cached$FWHELPERS_ROOT" "$FWHELPERS_ROOT"
fi
release=$(uname -r)
if [ -n "$FWHELPERS_MODULES" ]; then # a kernel that is not installed
    mount -t tmpfs tmpfs /lib/modules && ln -s "$FWHELPERS_MODULES" "/lib/modules/$release"
fi
# what Python reads: an image (files.py)
modprobe -a virtio_blk ext4
mkdir -p /run/files
if mount -t ext4 -o ro /dev/vda /run/files; then
    while read -r tree; do mount --bind "/run/files$tree" "$tree"; done </run/files/trees
fi
export PATH=$FWHELPERS_ROOT/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root PYTHONDONTWRITEBYTECODE=1 FWHELPERS_INSIDE=1 FWHELPERS_RUN=$run
ip link set lo up
# nothing else would load these; the rest comes by itself, or is loaded by what needs it
modprobe -a nf_conntrack_netlink nfnetlink_log nf_log_syslog 2>/dev/null
# these would, but one by one, each with a process and the rules' transaction begun anew
modprobe -a veth bridge nft_ct nft_log nft_hash nft_chain_nat nft_nat nft_masq nft_queue nft_objref 2>/dev/null
cd "$FWHELPERS_ROOT" || exit
echo "lab: $release, $(nproc) CPUs, up since $(cut -d' ' -f1 /proc/uptime) s"
touch "$run/booted"
bash "$run/command"
echo $? >"$run/status"
