"""Turns a PromptPack into the system prompt and the tools that a model is offered."""
