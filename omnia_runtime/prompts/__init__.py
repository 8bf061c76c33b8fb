"""The tools that a model is offered, the media of a message, and the versions of a PromptPack."""
