"""One turn: the session, what the model is sent of it, the loop, and what is kept."""
