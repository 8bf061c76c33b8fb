"""A call that is repeated with its key is answered once."""
