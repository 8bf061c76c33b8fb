"""Custom resources in, Kubernetes objects and status out."""
