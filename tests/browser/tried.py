"""An agent with two providers, as `omnia up` runs it: real processes, and answers by script."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.end_to_end.conftest import running_up
from tests.services import free_port

MANIFEST = """\
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {{name: brief}}
spec:
  type: mock
  mock:
    responses:
      scenarios:
        default:
          matches:
            - {{contains: fail, error: {{kind: auth}}}}
            - {{contains: wait, content: slow, latency_ms: 600000}}
            - {{contains: "", content: "Brief: {{{{message}}}}"}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: Provider
metadata: {{name: wordy}}
spec:
  type: mock
  mock:
    responses:
      scenarios:
        default:
          matches:
            - {{contains: wait, content: slow, latency_ms: 600000}}
            - contains: ""
              content: "Wordy, at length, with many more words: {{{{message}}}}"
              usage: {{input_tokens: 10, output_tokens: 60}}
---
apiVersion: omnia.altairalabs.ai/v1alpha1
kind: AgentRuntime
metadata: {{name: writer}}
spec:
  facade: {{type: websocket, port: {port}}}
  prompt: {{system: You write.}}
  providers:
    - {{name: default, providerRef: {{name: brief}}}}
    - {{name: wordy, providerRef: {{name: wordy}}}}
"""


@contextmanager
def writer(folder: Path) -> Iterator[str]:
    """Run the agent; yield the address of its page."""
    (folder / "writer.yaml").write_text(MANIFEST.format(port=free_port()))
    with running_up(folder, "-f", str(folder / "writer.yaml")) as up:
        found: dict[str, Any] = up.wait("ready", name="writer")
        yield str(found["console"])
