"""The gRPC server on the facade's port."""
