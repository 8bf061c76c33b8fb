"""Clients in, gRPC to the runtime out."""
