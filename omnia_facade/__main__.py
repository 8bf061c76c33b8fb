"""`python -m omnia_facade`."""

import os
import sys

from omnia_core import event_loop
from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs
from omnia_facade.app import run


def main() -> int:
    """Run the program; return its exit code, which is 2 if the configuration has to change."""
    try:
        env = FacadeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        event_loop.run(run(env))
    except ConfigurationError as error:
        print(f"omnia-facade: {error.message}", file=sys.stderr)  # noqa: T201 - for the user
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
