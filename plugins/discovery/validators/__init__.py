"""What asks a whole network and is answered by hosts unknown before: is this datagram such a question?

Each module has `check(data, sport)`: a `Query` if answers may come, None if the datagram is of the protocol but asks
nothing, ParseError if it isn't of the protocol. Pure functions: no clock, no addresses, no state.
"""
