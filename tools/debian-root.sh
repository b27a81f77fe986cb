# Debian systems of another release or without any history, below build/. Sourced by test-fresh and test-release.
#
# The archive, its keys, pip's index and npm's registry are the ones that this machine uses. Needs root and mmdebstrap.

own_release=$(. /etc/os-release && echo "$VERSION_CODENAME")

make_root() { # RELEASE FOLDER: a minimal system in FOLDER/root
    local release=$1 folder=$2 file
    mkdir -p "$folder"
    # shellcheck disable=SC2016
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) main' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        sed "s/ $own_release\\b/ $release/" | sort -u >"$folder/sources.list"
    if [ "$release" = sid ]; then sed -i '/ sid-/d' "$folder/sources.list"; fi
    # ca-certificates: pip may have to trust an index of this machine's own
    # force-unsafe-io: a system that is cut off is made anew, so no file has to be synchronized
    nice mmdebstrap --mode=root --variant=minbase --include=ca-certificates --dpkgopt=force-unsafe-io \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Sandbox::User "root"' \
        "$release" "$folder/root" "$folder/sources.list"
    for file in /etc/pip.conf /etc/npmrc /etc/ssl/certs/ca-certificates.crt; do
        [ ! -e $file ] || cp "$file" "$folder/root$file"
    done
}

root_environment() { # one NAME=VALUE a line
    local name
    printf '%s\n' PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true
    for name in PIP_CERT PIP_INDEX_URL NODE_EXTRA_CA_CERTS FWHELPERS_COMPILED FWHELPERS_MACHINES; do
        [ -z "${!name-}" ] || echo "$name=${!name}"
    done
}

run_in_root() { # ROOT COMMAND...: in /root/fwhelpers, with mounts and processes that end with the command
    local root=$1 environment
    shift
    mapfile -t environment < <(root_environment)
    # pivot_root, not chroot: who enters another mount namespace leaves a chroot
    unshare --mount --pid --fork --kill-child bash -c '
        set -e
        root=$1
        shift
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind --make-rslave /sys "$root/sys"
        mount --rbind --make-rslave /dev "$root/dev"
        for name in run tmp; do mount -t tmpfs tmpfs "$root/$name"; done
        : >"$root/etc/resolv.conf"
        mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
        cd "$root"
        pivot_root . mnt
        umount --lazy mnt
        exec chroot . env -i "$@"
    ' root "$root" "${environment[@]}" bash -c 'cd /root/fwhelpers && exec "$@"' root "$@"
}
