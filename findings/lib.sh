# Sourced by the findings; see README.md.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cannot() { echo "  $*" >&2; exit 2; }

debs() { # PACKAGE=VERSION...: unpack Debian packages and put them first in the search paths
    mkdir -p "$work/debs" "$work/root"
    # apt's sandbox user may not write here
    (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "$@") >"$work/apt.log" 2>&1 ||
        cannot "apt-get download $*: $(tail -n 1 "$work/apt.log")"
    local deb
    for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
    export PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH
    export LD_LIBRARY_PATH=$work/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch)
    export PYTHONPATH=$work/root/usr/lib/python3/dist-packages
}

pips() { # PACKAGE==VERSION...: a virtual environment with these, $python
    python3 -m venv "$work/venv" >/dev/null || cannot "python3 -m venv failed"
    "$work/venv/bin/pip" -q --disable-pip-version-check install "$@" >"$work/pip.log" 2>&1 ||
        cannot "pip install $*: $(tail -n 1 "$work/pip.log")"
    python=$work/venv/bin/python
}

in_namespace() { # COMMAND...: in a network namespace of its own
    if [ "$(id -u)" = 0 ]; then unshare --net "$@"; else unshare --user --map-root-user --net "$@"; fi
}

failed=0
expect() { # TITLE EXPECTED ACTUAL
    if [ "$2" = "$3" ]; then
        printf '  %s: %s\n' "$1" "${3:-(nothing)}"
    else
        printf '  %s: expected "%s", got "%s"\n' "$1" "$2" "$3"
        failed=1
    fi
}
finish() { exit $failed; }
