module omnia.altairalabs.ai/tests/cluster/definitions

go 1.24.0

// Resource definitions of others, which the tests install.
require istio.io/api v1.29.0
