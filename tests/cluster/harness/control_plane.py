"""etcd, the API server, the controllers and the scheduler."""

from tests.cluster.harness import addresses
from tests.cluster.harness.build import program
from tests.cluster.harness.commands import run, succeeds
from tests.cluster.harness.paths import Layout
from tests.cluster.harness.processes import Processes
from tests.cluster.harness.waiting import wait_until

ETCD, ETCD_PEER = "http://127.0.0.1:12379", "http://127.0.0.1:12380"
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def start_control_plane(layout: Layout, processes: Processes) -> None:
    """Start the control plane, and return when it can take pods."""
    _etcd(layout, processes)
    _api_server(layout, processes)
    _controllers(layout, processes)
    _scheduler(layout, processes)
    # Pods that are made before it exists are rejected.
    wait_until(
        "the default service account",
        lambda: succeeds(*_kubectl(layout), "get", "serviceaccount", "default"),
        hint=f"See {processes.log('kube-controller-manager')}",
    )


def _etcd(layout: Layout, processes: Processes) -> None:
    no_sync = ["--unsafe-no-fsync"] if "unsafe-no-fsync" in run("etcd", "--help") else []
    processes.start(
        "etcd",
        *("etcd", "--name=omnia", f"--data-dir={layout.run / 'etcd'}", *no_sync),
        *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}"),
        *(f"--listen-peer-urls={ETCD_PEER}", f"--initial-advertise-peer-urls={ETCD_PEER}"),
        *(f"--initial-cluster=omnia={ETCD_PEER}", "--auto-compaction-retention=1"),
    )


def _api_server(layout: Layout, processes: Processes) -> None:
    keys = layout.certificates
    processes.start(
        "kube-apiserver",
        program(layout, "kube-apiserver"),
        f"--etcd-servers={ETCD}",
        *(f"--bind-address={addresses.NODE}", f"--advertise-address={addresses.NODE}"),
        f"--secure-port={addresses.API_PORT}",
        *(f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key"),
        f"--client-ca-file={keys}/ca.crt",
        f"--kubelet-client-certificate={keys}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={keys}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        # Aggregated APIs (metrics.k8s.io) are asked with a certificate of the front proxy.
        f"--requestheader-client-ca-file={keys}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={keys}/front-proxy-client.crt",
        f"--proxy-client-key-file={keys}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
        f"--service-account-issuer=https://kubernetes.default.svc.{addresses.CLUSTER_DOMAIN}",
        f"--service-account-key-file={keys}/service-accounts.pub",
        f"--service-account-signing-key-file={keys}/service-accounts.key",
        f"--service-cluster-ip-range={addresses.SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--profiling=false",
    )
    wait_until(
        "the API server",
        lambda: succeeds(*_kubectl(layout), "get", "--raw", "/readyz"),
        hint=f"See {processes.log('kube-apiserver')}",
    )


def _controllers(layout: Layout, processes: Processes) -> None:
    keys = layout.certificates
    processes.start(
        "kube-controller-manager",
        program(layout, "kube-controller-manager"),
        f"--kubeconfig={layout.kubeconfigs}/controller-manager.yaml",
        *("--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={keys}/service-accounts.key",
        f"--root-ca-file={keys}/ca.crt",
        f"--cluster-signing-cert-file={keys}/ca.crt",
        f"--cluster-signing-key-file={keys}/ca.key",
        *(f"--cluster-cidr={addresses.PODS}", "--node-cidr-mask-size=24"),
        *("--allocate-node-cidrs=true", f"--service-cluster-ip-range={addresses.SERVICES}"),
        # At its own pace it needs five seconds for the first service account.
        *("--kube-api-qps=300", "--kube-api-burst=300"),
    )


def _scheduler(layout: Layout, processes: Processes) -> None:
    processes.start(
        "kube-scheduler",
        program(layout, "kube-scheduler"),
        f"--kubeconfig={layout.kubeconfigs}/scheduler.yaml",
        *("--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"),
        *("--kube-api-qps=300", "--kube-api-burst=300"),
    )


def _kubectl(layout: Layout) -> tuple[str, ...]:
    return (str(program(layout, "kubectl")), f"--kubeconfig={layout.admin_kubeconfig}")
