module omnia.altairalabs.ai/tests/cluster/pause

go 1.24.0
