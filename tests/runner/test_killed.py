"""Programs that are killed in the middle of a turn of the library."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.programs import PYTHON
from tests.runner.killed_turns import ANSWER


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres", "mongodb"])
def test_a_program_that_is_killed_at_any_point_of_a_turn_loses_and_doubles_nothing_confirmed(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    match kind:
        case "sqlite":
            url = f"sqlite:{tmp_path / 'sessions.db'}"
        case "redis":
            url = request.getfixturevalue("redis_url")
        case "postgres":
            url = request.getfixturevalue("postgres").url
        case _:
            url = request.getfixturevalue("mongo").url
    responses = tmp_path / "responses.yaml"
    responses.write_text(yaml.safe_dump({"defaultResponse": ANSWER}))
    ran = subprocess.run(
        [PYTHON, "-m", "tests.runner.killed_turns", url, str(responses)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    # Calls of the store, and the events between them.
    assert int(ran.stdout) > 15
