#!/bin/bash
# Title: iptables-translate drops states beside SNAT and DNAT, and the "!" with them, so that a rule means its opposite.
# Version: iptables 1.8.9-2
# Guess: --ctstate RELATED,DNAT matches one or the other. As nft has two expressions for that, it becomes two rules, or
#        a comment, as all that iptables-translate cannot say.
# Seen: `ct status dnat` alone, for RELATED,DNAT and for INVALID,DNAT. Of SNAT and DNAT the first counts. "! --ctstate
#       NEW,DNAT" is `ct status dnat` without "!". --ctstatus NONE becomes a rule without a value, which nft does
#       not read. Status 0 and no warning each time (2026-11-30).
# Here: a rule that accepts related connections can be lost before `fwhelpers check` sees it (docs/migration.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs iptables=1.8.9-2 libxtables12=1.8.9-2
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
translate() { iptables-translate -A INPUT -m conntrack "$@" -j ACCEPT | sed "s/.*INPUT //; s/ counter.*//"; }
expect "RELATED,DNAT" "ct status dnat" "$(translate --ctstate RELATED,DNAT)"
expect "INVALID,SNAT,DNAT" "ct status snat" "$(translate --ctstate INVALID,SNAT,DNAT)"
expect "! NEW,DNAT" "ct status dnat" "$(translate ! --ctstate NEW,DNAT)"
expect "! NEW,RELATED" "ct state ! new,related" "$(translate ! --ctstate NEW,RELATED)"
expect "status NONE" "ct status" "$(translate --ctstatus NONE)"
expect "exit status" 0 "$(iptables-translate -A INPUT -m conntrack ! --ctstate NEW,DNAT -j ACCEPT >/dev/null; echo $?)"
finish
