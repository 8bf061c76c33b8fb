"""The gRPC service of the runtime, over the built-in transport or grpcio."""
