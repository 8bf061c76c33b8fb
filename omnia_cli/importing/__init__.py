"""Manifests of other products as ours: one reader for each source, one model, one writer."""
