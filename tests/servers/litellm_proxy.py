"""LiteLLM's proxy, in front of a model server on the loopback address."""

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml
from msgspec import Struct

from tests.servers.processes import wait_answering
from tests.services import free_port


class Proxy(Struct, frozen=True):
    """A proxy that runs.

    Attributes:
        upstream: the port at which it expects the model server behind it.
    """

    url: str
    key: str
    upstream: int


@contextlib.contextmanager
def litellm_proxy(program: str, folder: Path) -> Iterator[Proxy]:
    """Run the proxy until the end of the block.

    Args:
        program: `litellm` of its environment.
        folder: for its configuration and its log.
    """
    port, upstream = free_port(), free_port()
    proxy = Proxy(f"http://127.0.0.1:{port}", f"sk-{secrets.token_hex(24)}", upstream)
    behind = {"api_base": f"http://127.0.0.1:{proxy.upstream}/v1", "api_key": "none"}
    models = {
        # Models of LM Studio are asked by chat completions for every wire format.
        "behind": {"model": "lm_studio/m", **behind},
        "mocked": {"model": "openai/m", "api_key": "none", "mock_response": "Hello from here."},
        "limited": {
            "model": "openai/m",
            "api_key": "none",
            "mock_response": "litellm.RateLimitError",
        },
    }
    listed = [{"model_name": name, "litellm_params": value} for name, value in models.items()]
    settings = {"model_list": listed, "litellm_settings": {"num_retries": 0, "telemetry": False}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    env = {
        **os.environ,
        "LITELLM_MASTER_KEY": proxy.key,
        # Everything else that it would fetch from outside finds no way there.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "NO_PROXY": "127.0.0.1",
    }
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        try:
            wait_answering(f"{proxy.url}/health/liveliness", process)
            yield proxy
        finally:
            process.kill()
            process.wait()
