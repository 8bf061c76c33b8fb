"""HTTP/2 (RFC 9113) without I/O: bytes in, calls to a listener and bytes out.

Only what gRPC needs is here: no push, no priorities, no upgrade from HTTP/1.1.
"""
