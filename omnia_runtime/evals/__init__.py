"""Evaluates answers and sessions by the definitions of a pack or a dataset."""
