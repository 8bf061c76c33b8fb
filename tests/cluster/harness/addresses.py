"""The addresses of the cluster. All of them live in a network namespace of the cluster's own."""

NAMESPACE = "omnia-cluster"
NAMESPACE_PATH = f"/run/netns/{NAMESPACE}"

NODE_NAME = "omnia-node"
NODE = "10.97.0.1"  # the API server, the kubelet, DNS and metrics listen on it
API_PORT = 6443
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
PODS = "10.244.0.0/16"
PODS_OF_NODE = "10.244.0.0/24"

# The two ends of the link through which this machine reaches the cluster.
HOST_LINK, HOST_END = "omnia-host", "10.99.0.1"
CLUSTER_LINK, CLUSTER_END = "omnia-link", "10.99.0.2"

NODE_BRIDGE = "omnia-node0"
POD_BRIDGE = "omnia-pods0"

CLUSTER_DOMAIN = "cluster.local"
DNS_PORT = 53
METRICS_PORT = 4443
