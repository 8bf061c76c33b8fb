"""`python -m omnia_runtime`: the only place that reads the environment."""

import os
import sys

from omnia_core import event_loop
from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Run a runtime; return 2 if its configuration is invalid."""
    try:
        env = RuntimeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        from omnia_runtime.app import Runtime  # noqa: PLC0415 - after the environment is checked

        event_loop.run(Runtime(env).run())
    except ConfigurationError as error:
        print(f"omnia-runtime: {error.message}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
