"""Processes of servers that take long to start."""

import subprocess
import time
import urllib.request

# Their imports alone take ten seconds on a busy machine.
START_SECONDS = 240.0


def wait_answering(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process answers at a URL of the loopback address."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            assert process.poll() is None, f"the server of {url} has ended: read its log"
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.1)
        else:
            return
