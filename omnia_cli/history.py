"""A client of the history API."""

import contextlib
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import orjson

from omnia_cli.local.ports import LOOPBACK, Ports
from omnia_cli.local.process import inherited
from omnia_cli.reaper import Reaper
from omnia_cli.running import running
from omnia_cli.state import Project, nearest, projects
from omnia_core.env.operator import CliEnv
from omnia_core.jsonvalue import JsonObject

_TIMEOUT_SECONDS = 10.0
# How long the history of a file may take to start, on a busy machine.
_START_SECONDS = 30.0
_START_PAUSE = 0.02


class HistoryFailed(Exception):
    """The history could not be read; the message is for people."""


class HistoryClient:
    """Reads sessions."""

    def __init__(self, url: str, token: str | None) -> None:
        """Connects with each request.

        Raises:
            HistoryFailed: the address is none, or the token fits into no header.
        """
        self._url = url.rstrip("/")
        try:
            self._address = urlsplit(self._url)
            usable = self._address.port != 0 and self._address.hostname is not None
        except ValueError:
            usable = False
        if not usable or self._address.scheme not in ("http", "https"):
            raise HistoryFailed(f"{url} is not an address: expected http://host[:port], or https")
        if token and not (token.isascii() and token.isprintable()):
            raise HistoryFailed(
                "the token is invalid: expected printable ASCII on one line; copy it again, without"
                " line breaks"
            )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def sessions(self, filters: Mapping[str, str], limit: int) -> list[JsonObject]:
        """List sessions, newest first.

        Raises:
            HistoryFailed: the API refuses, or cannot be reached.
        """
        query, found = {**filters, "limit": str(min(limit, 500))}, list[JsonObject]()
        while len(found) < limit:
            page = self._get("/api/v1/sessions", query)
            found += page["sessions"]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
        return found[:limit]

    def session(self, session_id: str) -> JsonObject:
        """Return one session.

        Raises:
            HistoryFailed: there is none, or the API cannot be reached.
        """
        return self._get(_path(session_id), {})

    def records(self, session_id: str, kind: str, after: str = "") -> "Records":
        """Return what follows a place among the records of a session.

        Raises:
            HistoryFailed: there is no such session, or the API cannot be reached.
        """
        found = Records([], after)
        query = {"limit": "500"}
        while True:
            page = self._get(f"{_path(session_id)}/{kind}", {**query, "cursor": found.last})
            found = Records([*found.items, *page["items"]], page["last"])
            if page["next"] is None:
                return found

    def _get(self, path: str, query: Mapping[str, str]) -> JsonObject:
        parts = self._address
        secure = parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(
                "GET", f"{parts.path}{path}?{urlencode(query)}", headers=self._headers
            )
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise HistoryFailed(f"{self._url} cannot be reached: {error}") from error
        finally:
            connection.close()
        try:
            value: JsonObject = orjson.loads(answer)
        except orjson.JSONDecodeError:
            value = {}
        if response.status != http.client.OK or not value:
            raise HistoryFailed(_refusal(response.status, str(value.get("detail", "no history"))))
        return value


def of_agent(agent: str) -> dict[str, str]:
    """Return the filters for an agent or function, which is given as NAME or NAMESPACE/NAME."""
    namespace, _, name = agent.rpartition("/")
    return {key: value for key, value in (("namespace", namespace), ("agent", name)) if value}


class Records:
    """Records of a session, and the place after them."""

    def __init__(self, items: list[JsonObject], last: str) -> None:
        self.items = items
        self.last = last


@contextlib.contextmanager
def local_history(paths: Sequence[Path], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of the history of this machine.

    With `paths` it is that of their project; else that of an agent that runs here and has its
    sessions in a database server; else that of the project in the current folder, or of the last
    one used.

    Raises:
        HistoryFailed: there are no sessions.
    """
    if not paths:
        for agent in running(environ):
            if agent.history:
                yield agent.history
                return
    with history_of_file(_project(paths, environ).sessions, environ) as url:
        yield url


def _project(paths: Sequence[Path], environ: Mapping[str, str]) -> Project:
    if paths:
        project = Project.of(paths, environ)
        if project.sessions.exists():
            return project
        raise HistoryFailed(
            f"no agent of {project.manifests} has kept a conversation on this machine: run"
            " `omnia up` without --ephemeral, and talk to it"
        )
    here = Path.cwd()
    found = nearest(projects(environ), here)
    if found is None:
        raise HistoryFailed(
            "no agent has kept a conversation on this machine: run `omnia up`, and talk to it; of a"
            " cluster give the agents' namespace with --namespace, or an address with --url"
        )
    if not found.is_near(here):
        print(f"sessions of {found.manifests}", file=sys.stderr)
    return found


@contextlib.contextmanager
def history_of_file(sessions: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of a history over a file of sessions, for as long as the context lasts.

    Raises:
        HistoryFailed: it does not start.
    """
    # A local import: it takes the operator's models, which other commands do not need.
    from omnia_cli.local.history import history_process  # noqa: PLC0415 - as above

    with contextlib.closing(Ports()) as ports:
        port = ports.any()
        spec = history_process("*", f"sqlite://{sessions}", port, inherited(environ))
        with (
            Reaper() as reaper,
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(  # noqa: S603 - our own program
                spec.command, env=dict(spec.environment), stderr=errors, start_new_session=True
            ) as process,
        ):
            reaper.watch(process.pid)
            try:
                deadline = time.monotonic() + _START_SECONDS
                while not _answers(port):
                    if process.poll() is not None or time.monotonic() > deadline:
                        errors.seek(0)
                        said = errors.read().decode(errors="replace").strip()
                        raise HistoryFailed(f"the history of {sessions} did not start: {said}")
                    time.sleep(_START_PAUSE)
                yield f"http://{LOOPBACK}:{port}"
            finally:
                process.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), 1).close()
    except OSError:
        return False
    return True


def lines(session: JsonObject) -> Iterator[str]:
    """Describe a session in lines."""
    if session.get("name"):
        yield str(session["name"])
    yield f"{session['agent']}  {session['id']}  {session['tag']}  {session['status']}"
    yield f"begun {session['begun_at']}, last active {session['active_at']}"
    yield (
        f"{session['turns']} turns, {session['messages']} messages,"
        f" {session['provider_calls']} calls of models ({session['provider_errors']} failed),"
        f" {session['tool_calls']} of tools"
    )
    yield (
        f"{session['input_tokens']} tokens in, {session['output_tokens']} out,"
        f" {session['cost_usd']:.6f} USD"
    )


def _path(session_id: str) -> str:
    return f"/api/v1/sessions/{quote(session_id, safe='')}"


def _refusal(status: int, detail: str) -> str:
    hint = ""
    if status == http.client.UNAUTHORIZED:
        hint = f"\nGive a token with --token, or in the environment as {CliEnv.variable('token')}"
    return f"HTTP {status}: {detail}{hint}"
