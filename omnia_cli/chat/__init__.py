"""The command `omnia chat`: a conversation in a terminal, in a pipe, or of one message."""
