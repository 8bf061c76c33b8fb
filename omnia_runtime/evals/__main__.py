"""`python -m omnia_runtime.evals`: evaluates the sessions of an agent.

`python -m omnia_runtime.evals cases [OPTIONS]` answers and evaluates the cases of stdin instead.
"""

import os
import sys

import msgspec

from omnia_core import event_loop
from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Return 2 if the configuration is invalid."""
    arguments = sys.argv[1:]
    if arguments[:1] not in ([], ["cases"]):
        print("usage: python -m omnia_runtime.evals [cases [OPTIONS]]", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    try:
        env = RuntimeEnv.parse(os.environ)
        configure_logs(env.log_level, agent=env.agent_name, namespace=env.namespace)
        if arguments:
            from omnia_runtime.evals import serving  # noqa: PLC0415 - after the environment is checked

            text = (arguments[1:] or ["{}"])[0]
            options = msgspec.json.decode(text, type=serving.CaseOptions)
            event_loop.run(serving.serve(env, options))
        else:
            from omnia_runtime.evals import program  # noqa: PLC0415 - as above

            event_loop.run(program.serve(env))
    except ConfigurationError as error:
        print(f"omnia-evals: {error.message}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
