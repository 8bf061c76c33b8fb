"""`python -m omnia_operator`: the only place that reads the environment."""

import os
import sys

from omnia_core import event_loop
from omnia_core.env import OperatorEnv
from omnia_core.errors import ConfigurationError
from omnia_core.telemetry.logs import configure_logs


def main() -> int:
    """Run the operator; return 1 after losing the Lease, 2 for an invalid configuration."""
    try:
        env = OperatorEnv.parse(os.environ)
        configure_logs(env.log_level)
        return _serve(env)
    except ConfigurationError as error:
        print(f"omnia-operator: {error.message}", file=sys.stderr)  # noqa: T201 - for a person
        return 2


def _serve(env: OperatorEnv) -> int:
    from omnia_operator.app import Operator  # noqa: PLC0415 - an invalid environment is reported first
    from omnia_operator.leader import LeadershipLost  # noqa: PLC0415

    operator = Operator(env)
    lost: list[str] = []
    try:
        event_loop.run(operator.run())
    except* LeadershipLost as group:
        lost = [str(error) for error in group.exceptions]
    if lost:
        print(f"omnia-operator: {lost[0]}", file=sys.stderr)  # noqa: T201 - for a person
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
