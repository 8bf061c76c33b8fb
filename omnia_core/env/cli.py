"""The environment of the command line."""

from typing import Annotated

from msgspec import Meta

from omnia_core.env.contract import EnvContract, Secret


class CliEnv(EnvContract, frozen=True, kw_only=True):
    """What `omnia` is told by its environment."""

    token: Annotated[
        Secret | None,
        Meta(description="Bearer token of `omnia chat`, `call` and `sessions` without `--token`."),
    ] = None
