#!/bin/bash
# Title: dpkt takes a folded SIP header line for a header of its own, and does not know the compact Content-Length.
# Version: dpkt 1.9.8
# Guess: a line that begins with white space continues the one before (RFC 3261 §7.3.1); l is Content-Length (§7.3.3).
# Seen: the second line of Contact becomes a header named "<sip". With "l: 4" the body is empty, or all that
#       follows if there is a Content-Type (2026-11-30).
# Here: fwhelpers' reader of SIP headers joins lines and knows compact names (plugins/sip).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips dpkt==1.9.8
cat >"$work/message.py" <<'END'
import dpkt

HEAD = b"INVITE sip:b@192.0.2.1 SIP/2.0\r\nContact: <sip:a@192.0.2.2>,\r\n <sip:c@192.0.2.3>\r\n%s: 4\r\n\r\nv=0\nrest"
for name in (b"Content-Length", b"l"):
    request = dpkt.sip.Request(HEAD % name)
    print(name.decode(), list(request.headers.items()), request.body)
END
expect "headers and body" "Content-Length [('contact', '<sip:a@192.0.2.2>,'), ('<sip', 'c@192.0.2.3>'), ('content-length', '4')] b'v=0\n'
l [('contact', '<sip:a@192.0.2.2>,'), ('<sip', 'c@192.0.2.3>'), ('l', '4')] b''" "$("$python" "$work/message.py")"
finish
