"""Validators: is this datagram a request to the whole network, answered by hosts that were unknown before?

Each module has `check(data, sport)`. It returns a `Query` if answers may come and None if the datagram belongs to the
protocol but has no answers; it raises ParseError if the datagram does not belong to the protocol. Validators are pure
functions: they see no clock, no addresses and no state.
"""
