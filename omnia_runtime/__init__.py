"""Runs turns: gRPC in, calls of models and tools out."""
