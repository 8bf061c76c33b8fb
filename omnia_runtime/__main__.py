"""`python -m omnia_runtime`: the only place that reads the environment."""

import asyncio
import os
import sys

from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Run a runtime; return 2 when it is configured wrongly."""
    try:
        env = RuntimeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        _serve(env)
    except ConfigurationError as error:
        print(f"omnia-runtime: {error.message}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


def _serve(env: RuntimeEnv) -> None:
    from omnia_runtime.app import Runtime  # noqa: PLC0415 - a bad environment is told before gRPC

    runtime = Runtime(env)
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        asyncio.run(runtime.run())
    else:
        uvloop.run(runtime.run())


if __name__ == "__main__":
    sys.exit(main())
