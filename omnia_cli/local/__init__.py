"""The manifests of a cluster as processes on this machine."""
