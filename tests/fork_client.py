"""Stands for a program that `fork_server.py` forks: `python -IS fork_client.py SOCKET ARGUMENT…`.

Its signals and its exit code go through this process; its standard streams are the program's. It is
started for each program, so it loads no module of Python's library.
"""

import _signal  # type: ignore[import-not-found] # built in
import _socket
import marshal
import os
import sys

# What terminals, supervisors and tests send; SIGKILL closes a pipe, and that kills the program.
FORWARDED = (
    _signal.SIGINT,
    _signal.SIGTERM,
    _signal.SIGHUP,
    _signal.SIGQUIT,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
)
INT = 4
# Python reads them when it starts: only a start has their effect.
AT_START = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"})


def main() -> None:
    """Have the program forked and live as long as it does; anything else is executed."""
    address, *arguments = sys.argv[1:]
    own = {each for each in os.environ if each.startswith("PYTHON")}
    options = [each for each in arguments[:1] if each in ("-B", "-u")]
    named, *words = [*arguments[len(options) :], ""]
    if named != "-m" or not words[0].startswith(("omnia_", "tests.")) or own - AT_START:
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - a Python
    module, *words = words[:-1]
    ignored = [each for each in FORWARDED if _signal.getsignal(each) == _signal.SIG_IGN]
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    server.connect(address)
    for each in FORWARDED:
        if each not in ignored:
            _signal.signal(each, lambda number, _: server.send(bytes([number])))
    request = marshal.dumps((options, module, words, dict(os.environ), os.getcwd(), ignored))  # noqa: PTH109 - no library
    # The other end stays open as long as this process lives.
    alive, _ = os.pipe()
    streams = b"".join(each.to_bytes(INT, sys.byteorder) for each in (0, 1, 2, alive))
    carried = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)]
    server.sendmsg([len(request).to_bytes(INT, "big")], carried)
    sent = 0
    while sent < len(request):
        sent += server.send(request[sent:])
    # The streams are the program's alone: who reads them sees their end when the program ends.
    for each in (0, 1, 2, alive):
        os.close(each)
    ended = server.recv(INT)
    status = int.from_bytes(ended, "big") if ended else _signal.SIGKILL
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


main()
