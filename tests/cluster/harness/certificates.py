"""Keys, certificates and kubeconfigs of one cluster, made with openssl."""

import base64
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness import addresses
from tests.cluster.harness.commands import run
from tests.cluster.harness.paths import Layout

DAYS = "3650"

API_NAMES = (
    "DNS:kubernetes",
    "DNS:kubernetes.default",
    "DNS:kubernetes.default.svc",
    f"DNS:kubernetes.default.svc.{addresses.CLUSTER_DOMAIN}",
    "DNS:localhost",
    "IP:127.0.0.1",
    f"IP:{addresses.NODE}",
    f"IP:{addresses.API_SERVICE}",
)
NODE_USER = f"/O=system:nodes/CN=system:node:{addresses.NODE_NAME}"

# Each client of the API server, and who it is.
CLIENTS = {
    "admin": "/O=system:masters/CN=kubernetes-admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kubelet": NODE_USER,
    "kube-proxy": "/CN=system:kube-proxy",
}


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and the folder that its certificates go to."""

    folder: Path
    name: str

    def create(self) -> None:
        """Make the authority's own certificate."""
        _openssl(
            *("req", "-x509", "-days", DAYS, "-subj", f"/CN={self.name}"),
            *_new_key(self.folder / f"{self.name}.key"),
            *("-out", self.folder / f"{self.name}.crt"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"),
        )

    def client(self, name: str, subject: str) -> None:
        """Make a certificate that says who somebody is."""
        self._leaf(name, subject, "clientAuth")

    def server(self, name: str, subject: str, alternatives: tuple[str, ...]) -> None:
        """Make a certificate that says where a server may be found."""
        self._leaf(name, subject, "serverAuth", f"subjectAltName={','.join(alternatives)}")

    def _leaf(self, name: str, subject: str, usage: str, *more: str) -> None:
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature,keyEncipherment",
            f"extendedKeyUsage={usage}",
            *more,
        ]
        _openssl(
            *("req", "-x509", "-days", DAYS, "-subj", subject),
            *("-CA", self.folder / f"{self.name}.crt", "-CAkey", self.folder / f"{self.name}.key"),
            *_new_key(self.folder / f"{name}.key"),
            *("-out", self.folder / f"{name}.crt"),
            *(word for extension in extensions for word in ("-addext", extension)),
        )


def create_certificates(layout: Layout) -> None:
    """Make everything that is not there yet."""
    folder = layout.certificates
    if layout.admin_kubeconfig.exists():
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    layout.kubeconfigs.mkdir(parents=True, exist_ok=True, mode=0o700)
    cluster, front_proxy = Authority(folder, "ca"), Authority(folder, "front-proxy-ca")
    cluster.create()
    front_proxy.create()
    cluster.server("apiserver", "/CN=kube-apiserver", API_NAMES)
    cluster.server("kubelet-server", NODE_USER, (f"IP:{addresses.NODE}",))
    cluster.server("metrics", "/CN=metrics-server", ("DNS:metrics-server.kube-system.svc",))
    cluster.client("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
    front_proxy.client("front-proxy-client", "/CN=front-proxy-client")
    for name, subject in CLIENTS.items():
        cluster.client(name, subject)
    service_accounts = folder / "service-accounts.key"
    _openssl("genrsa", "-out", service_accounts, "2048")
    _openssl(
        "rsa", "-in", service_accounts, "-pubout", "-out", service_accounts.with_suffix(".pub")
    )
    for name in reversed(CLIENTS):  # the administrator's last: it says that everything is there
        _write_kubeconfig(layout, name)


def _write_kubeconfig(layout: Layout, name: str) -> None:
    def content(file: str) -> str:
        return base64.b64encode((layout.certificates / file).read_bytes()).decode()

    path = layout.kubeconfigs / f"{name}.yaml"
    path.touch(mode=0o600)
    path.write_text(f"""\
apiVersion: v1
kind: Config
current-context: {addresses.NAMESPACE}
contexts:
- name: {addresses.NAMESPACE}
  context: {{cluster: {addresses.NAMESPACE}, user: {name}}}
clusters:
- name: {addresses.NAMESPACE}
  cluster:
    server: https://{addresses.NODE}:{addresses.API_PORT}
    certificate-authority-data: {content("ca.crt")}
users:
- name: {name}
  user:
    client-certificate-data: {content(f"{name}.crt")}
    client-key-data: {content(f"{name}.key")}
""")


def _new_key(path: Path) -> tuple[str | Path, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)


def _openssl(*arguments: str | Path) -> None:
    run("openssl", *arguments)
