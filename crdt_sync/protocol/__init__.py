"""The sync protocol without I/O: bytes in, values out.

Nothing here touches a socket, a clock, a random source or a logger; time and randomness are arguments.
The grammar is in `docs/protocol.md`.
"""
