"""The environment of the history process."""

from typing import Annotated, ClassVar

from msgspec import Meta

from omnia_core import names
from omnia_core.env.contract import EnvContract, Secret
from omnia_core.env.facade import Port


class HistoryEnv(EnvContract, frozen=True, kw_only=True):
    """What `python -m omnia_history` is told by its environment."""

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

    url: Annotated[Secret, Meta(description="URL of the PostgreSQL that agents' sessions are in.")]
    namespace: Annotated[str, Meta(description="The namespace whose agents are shown.")] = "default"
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
