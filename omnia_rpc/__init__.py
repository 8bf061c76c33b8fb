"""A gRPC client and server for asyncio, on an HTTP/2 implementation of its own.

It speaks standard gRPC over HTTP/2 without TLS, so every gRPC client or server can be the other
end. It imports nothing of this project, and costs less CPU and memory per message than grpcio.
"""
