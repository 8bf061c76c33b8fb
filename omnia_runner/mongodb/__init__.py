"""Sessions in MongoDB, and typed documents of what is stored there."""
