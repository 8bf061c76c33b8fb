"""An agent of a cluster in the page of `omnia open -n`, with a kubectl that only pretends."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from omnia_core.wire.runtime.v1 import runtime_pb2 as pb
from tests.browser.served import PageRuntime, served
from tests.browser.tab import Tab
from tests.browser.test_about_page import COMPOSED, DESCRIBED
from tests.cli.test_remote_console import MODEL, REFERRING, Kubectl, content, promptpack
from tests.cli.test_tokens import ROOT
from tests.programs import PYTHON
from tests.services import LIMIT


@contextmanager
def opened(kubectl: Kubectl) -> Iterator[str]:
    """Run the command; yield the address that it prints."""
    command = (PYTHON, "-m", "omnia_cli", "open", "agent", "-n", "space")
    environment = {**os.environ, "PATH": kubectl.path, "BROWSER": "true"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)


def test_what_the_person_may_read_is_shown_and_the_rest_is_named(tab: Tab, tmp_path: Path) -> None:
    runtime = PageRuntime(resume=pb.RESUME_STATE_NOT_FOUND, described=DESCRIBED, composed=COMPOSED)
    with served(runtime) as agent:
        port = urlsplit(agent.page).port
        assert port
        kubectl = Kubectl(tmp_path, port)
        kubectl.lists("agentruntimes", REFERRING)
        kubectl.lists("promptpacks", promptpack("1.0.0"))
        kubectl.lists("configmap", content("1.0.0", "You read {{plan}}."))
        kubectl.lists("providers", {"metadata": {"name": "fast"}, "spec": MODEL})
        with opened(kubectl) as url:
            tab.open(f"{url}/about")
            tab.until_text("#inspector .prompt", "You read {{plan}}.")
            shown = tab.text("#inspector")
    for part in ("m-1", "$500.00 in, $2000.00 out", "tools are left out: ", "forbidden"):
        assert part in shown, part
    # The agent itself tells none of it, and composes no prompt.
    assert runtime.composed_with == []
