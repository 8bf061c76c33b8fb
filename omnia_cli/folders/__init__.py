"""Folders that stand for objects: a PromptPack as files, and tools in Python."""
