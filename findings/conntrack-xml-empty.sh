#!/bin/bash
# Title: conntrack -L -o xml prints nothing at all when no entry matches, and exits with 0.
# Version: conntrack 1:1.4.7-1+b2
# Guess: an empty document, <conntrack></conntrack>, which an XML parser can read.
# Seen: the root element is printed with the first entry, so that the output is not XML (2026-11-28).
# Here: a reader of this format has to treat empty output as an empty list.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrack=1:1.4.7-1+b2
output=$(in_namespace sh -c 'conntrack -L -o xml 2>/dev/null; echo "status $?"')
expect "no entries" "status 0" "$output"
finish
