"""A real Kubernetes for the cluster tests, behind `make cluster-up` and its neighbours."""
