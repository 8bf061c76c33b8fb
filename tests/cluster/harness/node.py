"""The one node: containerd, the kubelet and kube-proxy."""

import json
from pathlib import Path

import yaml

from tests.cluster.harness import addresses
from tests.cluster.harness.build import program
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.images import PAUSE_IMAGE
from tests.cluster.harness.paths import Layout
from tests.cluster.harness.processes import Processes
from tests.cluster.harness.waiting import SECONDS, wait_until

NAMES = ("containerd", "kubelet", "kube-proxy")
NETWORK_PLUGINS = "/usr/lib/cni"


def start_containerd(layout: Layout, processes: Processes) -> None:
    """Start the container runtime."""
    _write_pod_network(layout.run / "pod-network")
    settings = layout.run / "containerd.toml"
    settings.write_text(_containerd_settings(layout))
    processes.start("containerd", "containerd", "--config", settings)
    wait_until(
        "containerd",
        lambda: succeeds("ctr", "--address", layout.containerd_socket, "version"),
        hint=f"See {processes.log('containerd')}",
    )


def start_node(layout: Layout, processes: Processes) -> None:
    """Start the kubelet and kube-proxy, and return when the node is ready."""
    # kube-proxy ends when its file is written again, so a running node is left alone.
    if not processes.running("kubelet"):
        _write(layout.run / "kubelet.yaml", _kubelet_settings(layout))
    if not processes.running("kube-proxy"):
        _write(layout.run / "kube-proxy.yaml", _proxy_settings(layout))
    processes.start(
        "kubelet",
        program(layout, "kubelet"),
        f"--config={layout.run}/kubelet.yaml",
        f"--kubeconfig={layout.kubeconfigs}/kubelet.yaml",
        *(f"--root-dir={layout.run}/kubelet", f"--cert-dir={layout.run}/kubelet/pki"),
        *(f"--hostname-override={addresses.NODE_NAME}", f"--node-ip={addresses.NODE}"),
    )
    processes.start(
        "kube-proxy", program(layout, "kube-proxy"), f"--config={layout.run}/kube-proxy.yaml"
    )
    kubectl = (program(layout, "kubectl"), f"--kubeconfig={layout.admin_kubeconfig}")
    hint = f"See {processes.log('kubelet')}"
    name = f"node/{addresses.NODE_NAME}"
    wait_until("the node", lambda: succeeds(*kubectl, "get", name), hint=hint)
    timeout = f"--timeout={SECONDS:.0f}s"
    run(*kubectl, "wait", "--for=condition=Ready", name, timeout, seconds=SECONDS + 10)


def _write_pod_network(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    bridge = {
        "type": "bridge",
        "bridge": addresses.POD_BRIDGE,
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,  # a pod may reach itself through its own Service
        "ipam": {
            "type": "host-local",
            "dataDir": str(folder.parent / "pod-addresses"),
            "ranges": [[{"subnet": addresses.PODS_OF_NODE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    network = {"cniVersion": "0.4.0", "name": "omnia-pods", "plugins": [bridge, ports]}
    (folder / "10-pods.conflist").write_text(json.dumps(network, indent=2))


def _containerd_settings(layout: Layout) -> str:
    # restrict_oom_score_adj: where root lacks CAP_SYS_RESOURCE, runc may not lower the score, and
    # every pod would die before it starts.
    return f"""\
version = 2
root = "{layout.run}/containerd-root"
state = "{layout.run}/containerd"
[grpc]
  address = "{layout.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{NETWORK_PLUGINS}"
    conf_dir = "{layout.run}/pod-network"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def _kubelet_settings(layout: Layout) -> object:
    names = layout.run / "resolv.conf"  # no name server and no search domain of this machine
    names.write_text(f"nameserver {addresses.DNS_SERVICE}\n")
    keys = layout.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": addresses.NODE,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{keys}/kubelet-server.crt",
        "tlsPrivateKeyFile": f"{keys}/kubelet-server.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDomain": addresses.CLUSTER_DOMAIN,
        "clusterDNS": [addresses.DNS_SERVICE],
        "resolvConf": str(names),
        "podLogsDir": f"{layout.run}/pod-logs",
        "imageGCHighThresholdPercent": 100,  # an image that is gone cannot be pulled again
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
    }


def _proxy_settings(layout: Layout) -> object:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": addresses.NODE,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "hostnameOverride": addresses.NODE_NAME,
        "clusterCIDR": addresses.PODS,
        "clientConnection": {"kubeconfig": f"{layout.kubeconfigs}/kube-proxy.yaml"},
        "mode": "iptables",
        "iptables": {"minSyncPeriod": "100ms"},
        # The kernel's own limits: a namespace may not set them.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _write(path: Path, settings: object) -> None:
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
