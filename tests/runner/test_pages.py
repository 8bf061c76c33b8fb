"""What the pages show of the library runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_documents import ROOT, blocks
from tests.services import LIMIT


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/library.md"])
def test_the_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("\n".join(blocks(ROOT / page, "python")))
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=3 * LIMIT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Mock response" in done.stdout or b"stop" in done.stdout


def test_importing_the_library_loads_no_driver_and_no_client() -> None:
    code = (
        "import sys, omnia_runner; print([each for each in ('redis', 'asyncpg', 'pymongo',"
        " 'beanie', 'aiohttp', 'opentelemetry.sdk', 'mcp', 'grpc') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == b"[]"
