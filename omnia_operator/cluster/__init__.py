"""The port to the API server, its client, and the store of watched objects."""
