"""A terminal that a person sits at: a program in tmux, its keys and its screen."""

import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.end_to_end.conftest import LIMIT
from tests.programs import FOR_SOCKETS

COLUMNS, ROWS = 80, 40
# A busy machine takes long to start a program.
PATIENCE = LIMIT


class Terminal:
    """A window of tmux with one program."""

    def __init__(self, tmux: str, socket: Path) -> None:
        self._tmux = (tmux, "-S", str(socket), "-f", "/dev/null")

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a program. Its last screen stays, below it the line `exit CODE`."""
        # Ctrl-C reaches the shell, too.
        line = f'trap : INT; {shlex.join(command)}; echo "exit $?"; sleep 600'
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        self._run("new-session", "-d", *size, "sh", "-c", line, environment=environment)

    def press(self, *keys: str) -> None:
        """Press keys by the names of tmux: `Enter`, `C-c`, `M-Enter`, `Up`."""
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text, without Enter."""
        self._run("send-keys", "-l", text)

    def paste(self, text: str) -> None:
        """Paste text as a terminal does that knows bracketed paste."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def say(self, text: str) -> None:
        """Type a message and send it."""
        self.type(text)
        self.press("Enter")

    @property
    def screen(self) -> str:
        """What the window shows, and what has left it at its upper end."""
        return self._run("capture-pane", "-p", "-S", "-2000")

    @property
    def title(self) -> str:
        return self._run("display-message", "-p", "#{pane_title}").strip()

    def until(self, *texts: str, times: int = 1) -> str:
        """Wait until the screen shows each text so many times, and return it."""
        end = time.monotonic() + PATIENCE
        while True:
            screen = self.screen
            if all(screen.count(text) >= times for text in texts):
                return screen
            assert time.monotonic() < end, f"no {texts} x{times} in:\n{screen}"
            time.sleep(0.1)

    def _run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout


@contextmanager
def terminal(tmux: str) -> Iterator[Terminal]:
    """Yield a terminal of its own; its program ends with it."""
    with TemporaryDirectory(prefix="tmux-", dir=FOR_SOCKETS) as folder:
        socket = Path(folder) / "tmux"
        try:
            yield Terminal(tmux, socket)
        finally:
            end = [tmux, "-S", str(socket), "kill-server"]
            subprocess.run(end, check=False, capture_output=True)
