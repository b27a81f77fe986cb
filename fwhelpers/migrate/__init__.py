"""From other programs' configuration to ours: text in, text and notes out; nothing here opens a file.

document = conntrackd.parse(name, text)      the section Helper of conntrackd.conf
rules = [firewall.read(name, text), …]       which connections the firewall gave to its helpers
made = convert.convert(document, rules, helpers)
render.toml(made)                            our configuration, each line with its origin
"""

from __future__ import annotations
