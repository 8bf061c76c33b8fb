"""A client of the history API."""

import http.client
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode, urlsplit

import orjson

from omnia_cli.running import running
from omnia_core.env.operator import CliEnv
from omnia_core.jsonvalue import JsonObject

_TIMEOUT_SECONDS = 10.0


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
            raise HistoryFailed("the token is none: expected printable ASCII on one line")
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


class Records:
    """Records of a session, and the place after them."""

    def __init__(self, items: list[JsonObject], last: str) -> None:
        self.items = items
        self.last = last


def history_url(given: str | None, environ: Mapping[str, str]) -> str:
    """Return the address of the API: the one given, else that of what runs here.

    Raises:
        HistoryFailed: nothing that runs here has a history.
    """
    if given:
        return given
    for agent in running(environ):
        if agent.history:
            return agent.history
    raise HistoryFailed(
        "no agent that runs here keeps its sessions in PostgreSQL (spec.session.type: postgres);"
        " of a cluster give the agents' namespace with --namespace, or an address with --url"
    )


def lines(session: JsonObject) -> Iterator[str]:
    """Describe a session in lines."""
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
