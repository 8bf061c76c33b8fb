"""`python -m omnia_facade`."""

import asyncio
import os
import sys

from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs
from omnia_facade.app import run


def main() -> int:
    """Run the program; return its exit code, which is 2 if the configuration has to change."""
    try:
        env = FacadeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(env))
    except ConfigurationError as error:
        print(f"omnia-facade: {error.message}", file=sys.stderr)  # noqa: T201 - for the user
        return 2
    return 0


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
