"""The agent loop over two ports, model and tools. It knows no vendor and no store."""
