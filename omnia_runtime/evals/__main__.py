"""`python -m omnia_runtime.evals cases [OPTIONS]`: answers and evaluates the cases of stdin."""

import os
import sys

import msgspec

from omnia_core import event_loop
from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Return 2 if the configuration is invalid."""
    if sys.argv[1:2] != ["cases"]:
        print("usage: python -m omnia_runtime.evals cases [OPTIONS]", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    try:
        env = RuntimeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        # Imported after the environment is checked.
        from omnia_runtime.evals.serving import CaseOptions, serve  # noqa: PLC0415 - as above

        options = msgspec.json.decode((sys.argv[2:] or ["{}"])[0], type=CaseOptions)
        event_loop.run(serve(env, options))
    except ConfigurationError as error:
        print(f"omnia-evals: {error.message}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
