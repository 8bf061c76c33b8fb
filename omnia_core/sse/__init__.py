"""Answers as server-sent events, in the vocabularies of the clients that read them."""
