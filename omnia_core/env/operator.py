"""The environment contracts of the operator, the history API and the command line."""

from typing import Annotated, ClassVar

from msgspec import Meta

from omnia_core import names
from omnia_core.env.contract import EnvContract, Secret, SecretStr
from omnia_core.env.shared import Port, Rate

# The address of Prometheus in the complete example of spec 001.
PROMETHEUS = "http://omnia-prometheus-server.omnia-system.svc.cluster.local/prometheus"

# The types of volumes of Kubernetes' Pod Security Standard "restricted".
RESTRICTED_VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)


class OperatorEnv(EnvContract, frozen=True, kw_only=True):
    """The environment of the operator, which the chart sets."""

    variables: ClassVar = {
        "allow_unauthenticated": "OMNIA_AGENTS_ALLOW_UNAUTHENTICATED",
        "console": "OMNIA_AGENTS_CONSOLE",
        "http_proxy": "HTTP_PROXY",
        "https_proxy": "HTTPS_PROXY",
        "no_proxy": "NO_PROXY",
        "log_level": "LOG_LEVEL",
    }

    facade_image: Annotated[str, Meta(description="Image of the facade container.")]
    runtime_image: Annotated[str, Meta(description="Image of the runtime container.")]
    facade_image_pull_policy: Annotated[
        str, Meta(description="Pull policy of the facade's image; Kubernetes' default when unset.")
    ] = ""
    runtime_image_pull_policy: Annotated[
        str, Meta(description="Pull policy of the runtime's image; Kubernetes' default when unset.")
    ] = ""
    facade_resources: Annotated[
        str,
        Meta(description="Requests and limits of facade containers without their own, as JSON."),
    ] = ""
    runtime_resources: Annotated[
        str,
        Meta(description="Requests and limits of runtime containers without their own, as JSON."),
    ] = ""
    image_pull_secrets: Annotated[
        tuple[str, ...],
        Meta(description="Secrets in the agents' namespaces that their images are pulled with."),
    ] = ()
    pod_defaults: Annotated[
        str,
        Meta(
            description="Settings of the pods of every agent, unless its AgentRuntime has others,"
            " as a JSON object with fields of `spec.runtime`: `podLabels`, `podAnnotations`,"
            " `serviceAccountAnnotations`, `priorityClassName`, `nodeSelector`, `tolerations`,"
            " `affinity`, `topologySpreadConstraints`."
        ),
    ] = ""
    allow_unauthenticated: Annotated[
        bool, Meta(description="Agents serve requests without a credential. For development only.")
    ] = False
    console: Annotated[
        bool, Meta(description="Agents serve a page at `/` on which a person talks to them.")
    ] = False
    tracing_enabled: Annotated[bool, Meta(description="Agents send traces.")] = False
    tracing_endpoint: Annotated[
        str, Meta(description="Address of the collector that agents send traces to.")
    ] = ""
    tracing_sample_rate: Annotated[
        Rate, Meta(description="Share of the agents' turns that are traced, from 0 to 1.")
    ] = 1.0
    tracing_content: Annotated[
        bool, Meta(description="Agents' spans contain the messages of users, models and tools.")
    ] = False
    tracing_openinference: Annotated[
        bool, Meta(description="Agents' spans have the kinds and names of OpenInference as well.")
    ] = False
    prometheus_address: Annotated[
        str, Meta(description="Prometheus that KEDA's default trigger asks.")
    ] = PROMETHEUS
    policy_volumes: Annotated[
        tuple[str, ...],
        Meta(description="Types of volumes that AgentRuntimes may have; a lone comma for none."),
    ] = RESTRICTED_VOLUMES
    policy_service_account_tokens: Annotated[
        bool,
        Meta(description="Volumes of AgentRuntimes may have tokens of the ServiceAccount."),
    ] = False
    policy_custom_images: Annotated[
        bool, Meta(description="AgentRuntimes may name other images than the two above.")
    ] = True
    policy_extra_environment: Annotated[
        bool, Meta(description="AgentRuntimes may have `extraEnv`.")
    ] = True
    policy_unauthenticated_agents: Annotated[
        bool,
        Meta(
            description="An AgentRuntime may serve requests without a credential, by a variable in"
            " `facade.extraEnv`."
        ),
    ] = False
    policy_custom_service_accounts: Annotated[
        bool,
        Meta(description="AgentRuntimes may name a ServiceAccount that the operator has not made."),
    ] = False
    policy_extra_containers: Annotated[
        bool,
        Meta(description="AgentRuntimes may have `extraContainers` and `initContainers`."),
    ] = True
    policy_host_ports: Annotated[
        bool, Meta(description="Containers of AgentRuntimes may have ports of the node.")
    ] = False
    policy_exposure: Annotated[
        bool,
        Meta(
            description="AgentRuntimes may have `facade.expose`, and a Service with annotations or"
            " of another type than ClusterIP."
        ),
    ] = True
    discovery_deny_private_addresses: Annotated[
        bool,
        Meta(
            description="The operator asks no tool server and no token issuer at a private address."
            " Loopback, link-local and clouds' metadata addresses are never asked."
        ),
    ] = False
    discovery_ca_file: Annotated[
        str,
        Meta(
            description="PEM file with certificates that tool servers and token issuers are checked"
            " with, beside those of the system."
        ),
    ] = ""
    http_proxy: Annotated[
        SecretStr | None,
        Meta(description="Proxy for http:// addresses of tool servers and token issuers."),
    ] = None
    https_proxy: Annotated[
        SecretStr | None,
        Meta(description="Likewise for https:// addresses, and for gRPC with TLS."),
    ] = None
    no_proxy: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts that are asked without a proxy: names, domains as `.example.com`,"
            " addresses, networks as `10.0.0.0/8`. The API server always is."
        ),
    ] = ()
    watch_namespaces: Annotated[
        tuple[str, ...],
        Meta(description="The namespaces that the operator watches; all when unset."),
    ] = ()
    lease_name: Annotated[
        str, Meta(description="Lease that one of several operators holds while it acts.")
    ] = "omnia-operator"
    lease_namespace: Annotated[
        str, Meta(description="Namespace of the Lease: the operator's own.")
    ] = "omnia-system"
    lease_identity: Annotated[
        str, Meta(description="Name of this operator in the Lease: the pod's; the host's if unset.")
    ] = ""
    bind_address: Annotated[
        str | None, Meta(description="Address of health and metrics; all of the pod's when unset.")
    ] = None
    health_port: Annotated[Port, Meta(description="Port of health and metrics.")] = (
        names.FACADE_HEALTH_PORT
    )
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"


class HistoryEnv(EnvContract, frozen=True, kw_only=True):
    """The environment of `python -m omnia_history`."""

    variables: ClassVar = {
        "url": "OMNIA_HISTORY_URL",
        "port": "OMNIA_HISTORY_PORT",
        "namespace": "OMNIA_HISTORY_NAMESPACE",
        "token_namespaces": "OMNIA_HISTORY_TOKEN_NAMESPACES",
        "allow_unauthenticated": "OMNIA_HISTORY_ALLOW_UNAUTHENTICATED",
        "api_server": "OMNIA_HISTORY_API_SERVER",
        "account_path": "OMNIA_HISTORY_ACCOUNT_PATH",
        "log_level": "LOG_LEVEL",
    }

    url: Annotated[
        Secret,
        Meta(
            description="URL of the PostgreSQL or MongoDB that agents' sessions are in; of an"
            " SQLite file, `sqlite://` and its absolute path."
        ),
    ]
    namespace: Annotated[
        str,
        Meta(description="The namespace whose agents are shown; `*` for all, without credentials."),
    ] = "default"
    port: Annotated[Port, Meta(description="Port of the API, and of health.")] = names.HISTORY_PORT
    bind_address: Annotated[
        str | None, Meta(description="Address of the API; all of the pod's when unset.")
    ] = None
    token_namespaces: Annotated[
        tuple[str, ...],
        Meta(
            description="Namespaces whose ServiceAccounts may read, beside the one that is shown."
        ),
    ] = ()
    allow_unauthenticated: Annotated[
        bool, Meta(description="Answer requests without a credential. For development only.")
    ] = False
    api_server: Annotated[
        str, Meta(description="The cluster's API server, which publishes the keys of tokens.")
    ] = "https://kubernetes.default.svc"
    account_path: Annotated[
        str, Meta(description="Folder with the pod's own `token` and the cluster's `ca.crt`.")
    ] = "/var/run/secrets/kubernetes.io/serviceaccount"
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"


class CliEnv(EnvContract, frozen=True, kw_only=True):
    """The environment of the command `omnia`."""

    token: Annotated[
        Secret | None,
        Meta(description="Bearer token of `omnia chat`, `call` and `sessions` without `--token`."),
    ] = None
