"""The console: a page to chat with the agent, or to fill in the input of the function."""
