"""The Kubernetes cluster: what is asked of it, and who asks."""
