"""HTTP/2 (RFC 9113) without I/O: received bytes go in, callbacks and bytes to send come out.

It has what gRPC needs: no push, no priorities, no upgrade from HTTP/1.1.
"""
