"""tools.yaml: how servers of gRPC and MCP tools are reached."""

from collections.abc import Sequence

from msgspec import Struct, field


class RetryPolicy(Struct, frozen=True, rename="camel", omit_defaults=True):
    """When a call is tried again; waits are duration texts.

    Attributes:
        max_attempts: attempts in all, the first included.
    """

    max_attempts: int = 1
    initial_backoff: str = "100ms"
    backoff_multiplier: float = 2.0
    max_backoff: str = "30s"


class GRPCRetryPolicy(RetryPolicy, frozen=True, rename="camel", omit_defaults=True):
    """Likewise for gRPC; the codes are names of gRPC's status codes."""

    retryable_status_codes: tuple[str, ...] = (
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
    )


class GRPCConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a gRPC tool server is called.

    Attributes:
        endpoint: host and port.
        tls_cert_path: PEM file of the client's certificate; likewise its key and the authority.
    """

    endpoint: str
    tls: bool = False
    tls_cert_path: str = ""
    tls_key_path: str = ""
    tls_ca_path: str = field(default="", name="tlsCAPath")
    tls_insecure_skip_verify: bool = False
    retry_policy: GRPCRetryPolicy | None = None


def is_let_through(name: str, allowlist: Sequence[str], blocklist: Sequence[str]) -> bool:
    """Whether a filter offers a tool. An entry may end in `*`; an empty allowlist means all."""
    allowed = not allowlist or any(_means(entry, name) for entry in allowlist)
    return allowed and not any(_means(entry, name) for entry in blocklist)


def _means(entry: str, name: str) -> bool:
    return name.startswith(entry[:-1]) if entry.endswith("*") else name == entry


class ToolFilter(Struct, frozen=True, omit_defaults=True):
    """Which tools of a server are offered: see `is_let_through`."""

    allowlist: tuple[str, ...] = ()
    blocklist: tuple[str, ...] = ()

    def lets_through(self, name: str) -> bool:
        """Whether a tool is offered."""
        return is_let_through(name, self.allowlist, self.blocklist)


class MCPConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an MCP server is reached.

    Attributes:
        transport: streamable-http, sse or stdio.
        endpoint: URL, unless the transport is stdio.
        command: the program that is the server, for stdio; it gets `args` and `env`, and runs in
            the folder `work_dir`.
    """

    transport: str
    endpoint: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    work_dir: str = ""
    env: dict[str, str] = field(default_factory=dict)
    tool_filter: ToolFilter | None = None
    retry_policy: RetryPolicy | None = None
