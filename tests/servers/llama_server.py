"""The server of llama-cpp-python with a model of random weights."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.processes import wait_answering
from tests.services import free_port

CONTEXT = 1024


class Llama:
    """Starts servers, all with the same model."""

    def __init__(self, python: str, folder: Path) -> None:
        """Write the model.

        Args:
            python: of the environment of llama-cpp-python.
            folder: for the model and the logs.
        """
        self._python = python
        self._folder = folder
        self._model = folder / "tiny.gguf"
        script = Path(__file__).parent / "tiny_model.py"
        subprocess.run([python, script, self._model], check=True)

    @contextlib.contextmanager
    def serve(self, chat_format: str = "chatml", port: int = 0) -> Iterator[str]:
        """Run a server until the end of the block; yield its URL."""
        port = port or free_port()
        options = {
            "model": self._model,
            "chat_format": chat_format,
            "n_ctx": CONTEXT,
            "n_threads": 1,
            "host": "127.0.0.1",
            "port": port,
        }
        settings = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        url = f"http://127.0.0.1:{port}"
        with (self._folder / f"{port}.log").open("wb") as log:
            process = subprocess.Popen(
                [self._python, "-m", "llama_cpp.server", *settings],
                env={**os.environ},
                stdout=log,
                stderr=log,
            )
            try:
                wait_answering(f"{url}/v1/models", process)
                yield url
            finally:
                process.kill()
                process.wait()
