"""The console of a namespace of a cluster: what kubectl may read, and the way that it forwards."""
