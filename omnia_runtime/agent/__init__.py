"""The turn loop, over a model and tools, without a vendor and without a store."""
