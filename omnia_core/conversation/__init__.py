"""The vocabulary of a conversation, which facade, runtime and session stores share."""
