"""
HTTP/1.1 on the wire: how a connection is made, what is written to it, and what is read from it.

`http1` is the transport. `ways` makes its connections (TCP, TLS, unix sockets, proxies);
`connection` is one of them, with `outgoing` and `sending` for the request, `framing`, `reading` and
`collecting` for the answer; `detour` and `prompted` are connections of their own kind.
"""
