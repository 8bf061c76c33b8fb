"""The program `python -m omnia_history`; only this module reads the environment."""

import asyncio
import os
import sys

from omnia_core.env import HistoryEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 2 for an invalid configuration."""
    try:
        env = HistoryEnv.parse(os.environ)
        configure_logs(env.log_level, namespace=env.namespace)
        from omnia_history.app import serve  # noqa: PLC0415 - check the environment first

        asyncio.run(serve(env))
    except ConfigurationError as error:
        print(f"omnia-history: {error.message}", file=sys.stderr)  # noqa: T201 - a person reads it
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
