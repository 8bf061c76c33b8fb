"""The API server for the add-ons and the fake nodes: JSON over HTTPS, the standard library only."""

import contextlib
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

from tests.cluster.harness import addresses

Object = dict[str, Any]
WATCH_SECONDS = 290


class ApiClient:
    """The administrator's view of the API server."""

    def __init__(self, certificates: Path) -> None:
        self._tls = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        self._tls.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")

    def get(self, path: str) -> Object:
        """Return what is at a path."""
        with self._open(path, 10) as response:
            found: Object = json.load(response)
        return found

    def patch(self, path: str, change: Object, kind: str) -> None:
        """Send a patch of the kind `apply`, `merge` or `strategic-merge`."""
        suffix = "patch+yaml" if kind == "apply" else "patch+json"
        self._send("PATCH", path, change, f"application/{kind}-{suffix}")

    def delete(self, path: str, options: Object) -> None:
        """Delete what is at a path."""
        self._send("DELETE", path, options, "application/json")

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Yield the changes since a version until the server ends the watch."""
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
        with self._open(path + query, WATCH_SECONDS + 10) as response:
            for line in response:
                yield json.loads(line)

    def _send(self, method: str, path: str, body: Object, content_type: str) -> None:
        head = {"Content-Type": content_type}
        data = json.dumps(body).encode()
        with self._open(path, 10, method=method, data=data, headers=head):
            pass

    def _open(self, path: str, seconds: float, **more: Any) -> HTTPResponse:
        url = f"https://{addresses.NODE}:{addresses.API_PORT}{path}"
        request = urllib.request.Request(url, **more)
        response: HTTPResponse = urllib.request.urlopen(request, context=self._tls, timeout=seconds)
        return response


class Mirror:
    """All objects of a collection by namespace and name, kept up to date by a thread."""

    def __init__(self, client: ApiClient, path: str, complain: Callable[[str], None]) -> None:
        self._client, self._path, self._complain = client, path, complain
        self._objects: dict[tuple[str, str], Object] = {}
        threading.Thread(target=self._follow_for_ever, daemon=True).start()

    def get(self, namespace: str, name: str) -> Object | None:
        """Return one object."""
        return self._objects.get((namespace, name))

    def of(self, namespace: str) -> list[Object]:
        """Return the objects of a namespace."""
        return [each for (where, _), each in list(self._objects.items()) if where == namespace]

    def _follow_for_ever(self) -> None:
        while True:
            try:
                self._follow()
            except (OSError, ValueError) as error:
                self._complain(f"{self._path}: {error}")
                time.sleep(0.5)

    def _follow(self) -> None:
        listed = self._client.get(self._path)
        self._objects = {_key(each): each for each in listed["items"]}
        for event in self._client.watch(self._path, listed["metadata"]["resourceVersion"]):
            if event["type"] == "ERROR":  # too old a version: list again
                return
            if event["type"] == "DELETED":
                with contextlib.suppress(KeyError):
                    del self._objects[_key(event["object"])]
            else:
                self._objects[_key(event["object"])] = event["object"]


def _key(found: Object) -> tuple[str, str]:
    return found["metadata"]["namespace"], found["metadata"]["name"]
