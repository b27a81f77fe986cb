#!/bin/bash
# Title: pyroute2 shows the type of a rule's nftables object as the name of a register.
# Version: pyroute2 0.9.7; Linux 6.18
# Guess: NFTA_OBJREF_IMM_TYPE of `ct helper set` is 3, NFT_OBJECT_CT_HELPER, as a number or by that name.
# Seen: 'NFT_REG_3'; a `counter name` has 'NFT_REG_1' (2026-11-30).
# Here: tests that read rules by another reader than nft take the object's name, which is right.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
pips pyroute2==0.9.7
cat >"$work/rules.py" <<'END'
import subprocess

from pyroute2.nftables.main import NFTables

RULES = """table inet t {
    ct helper h { type "ftp" protocol tcp; }
    counter n { }
    chain c {
        tcp dport 21 ct helper set "h"
        counter name n
    }
}
"""
subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)
with NFTables(nfgen_family=1) as nft:
    for rule in nft.get_rules():
        for expression in rule.get_attr("NFTA_RULE_EXPRESSIONS"):
            if expression.get_attr("NFTA_EXPR_NAME") == "objref":
                data = expression.get_attr("NFTA_EXPR_DATA")
                print(data.get_attr("NFTA_OBJREF_IMM_NAME"), data.get_attr("NFTA_OBJREF_IMM_TYPE"))
END
expect "name and type" "h NFT_REG_3
n NFT_REG_1" "$(in_namespace "$python" "$work/rules.py" 2>"$work/errors")"
finish
