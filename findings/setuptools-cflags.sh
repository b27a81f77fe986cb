#!/bin/bash
# Title: CFLAGS adds to the flags of Python in setuptools 66, and replaces them in setuptools 84.
# Version: setuptools 66.1.1 (Debian 12) and 84.2.1
# Guess: CFLAGS=-g0 adds an option, as it did for twenty years; -fwrapv and -DNDEBUG, with which Python and every
#        extension are compiled, stay.
# Seen: with 84.2.1 the compiler gets -g0 alone: signed overflow is undefined, and assertions are compiled. CPPFLAGS adds
#       to them in both (2026-11-30).
# Here: setup.py gives -fwrapv and -DNDEBUG to each module; packaging/release/build.py uses CPPFLAGS.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
command -v gcc >/dev/null || cannot "no gcc"
mkdir "$work/module"
cd "$work/module" || exit 2
echo 'from setuptools import Extension, setup; setup(name="m", py_modules=[], ext_modules=[Extension("m", ["m.c"])])' >setup.py
echo '#include <Python.h>' >m.c

flags() { # VARIABLE: which of the flags reach the compiler
    rm -rf build
    env -u CFLAGS -u CPPFLAGS ${1:+"$1=-g0"} "$python" setup.py build_ext 2>/dev/null | grep -m1 -- ' -c m.c' |
        grep -oE -- ' -(g0|fwrapv|DNDEBUG)\b' | LC_ALL=C sort -u | tr -d '\n'
}
for version in 66.1.1 84.2.1; do
    pips setuptools==$version
    "$python" -c 'import sysconfig; assert {"-fwrapv", "-DNDEBUG"} <= {*sysconfig.get_config_var("CFLAGS").split()}' ||
        cannot "this Python was compiled without -fwrapv or -DNDEBUG"
    expect "$version" " -DNDEBUG -fwrapv" "$(flags "")"
    expect "$version CPPFLAGS" " -DNDEBUG -fwrapv -g0" "$(flags CPPFLAGS)"
    cflags=" -g0"
    [ $version = 84.2.1 ] || cflags=" -DNDEBUG -fwrapv -g0"
    expect "$version CFLAGS" "$cflags" "$(flags CFLAGS)"
done
finish
