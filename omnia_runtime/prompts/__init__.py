"""From a PromptPack to the system prompt and the tools that a model is offered."""
