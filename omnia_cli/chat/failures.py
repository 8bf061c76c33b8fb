"""Why a conversation could not begin or go on, in words for people."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

import orjson
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Response

from omnia_cli.system_errors import explained


class ChatFailed(Exception):
    """The conversation could not begin or go on; the message is for people."""


class Unreachable(ChatFailed):
    """The agent does not answer now; a later try may succeed."""


class SessionUnknown(ChatFailed):
    """The agent has no session of this id, or no longer; the connection has a new one."""


@contextlib.contextmanager
def failing_plainly(url: str) -> Iterator[None]:
    """Raise `ChatFailed` for what may go wrong while a connection is opened."""
    try:
        yield
    except InvalidStatus as error:
        # 5xx: the facade drains, or a proxy finds no pod; other refusals stay what they are.
        later = error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise (Unreachable if later else ChatFailed)(_refusal(url, error.response)) from error
    except ConnectionClosed as error:
        raise Unreachable(f"{url} ended the conversation: {error}") from error
    except OSError as error:
        raise Unreachable(f"{url} cannot be reached: {explained(error)}") from error
    except WebSocketException as error:
        raise Unreachable(f"{url} cannot be reached: {error}") from error
    except ValueError as error:
        raise ChatFailed(f"{url} cannot be reached: {error}") from error


def _refusal(url: str, response: Response) -> str:
    said = _detail(response.body)
    text = f"{url} refused the connection with HTTP {response.status_code}"
    text += f": {said}" if said else ""
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        text += "\nGive a credential with --token, or in the environment as OMNIA_TOKEN"
    elif response.status_code == HTTPStatus.NOT_FOUND:
        text += "\nAn agent answers at the path /ws; a function is called with `omnia call`"
    return text


def _detail(body: bytes | bytearray) -> str:
    """Return the reason in a JSON error body, or ""."""
    try:
        return str(orjson.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""
