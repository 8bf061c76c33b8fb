"""What went wrong between the operator and the API server, in the operator's own terms."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import httpx2
from lightkube.core.exceptions import ApiError

from omnia_core.errors import Code
from omnia_operator.cluster.port import ClusterError

NOT_FOUND = 404
CONFLICT = 409
INVALID = 422
_SERVER = 500
# A token that has just been replaced, somebody else's write, too much at once: it may pass.
_PASSING = frozenset({401, CONFLICT, 429})

P = ParamSpec("P")
T = TypeVar("T")


def mapped(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Raise `ClusterError` for whatever the client raises."""

    @functools.wraps(call)
    async def translated(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await call(*arguments, **named)
        except httpx2.HTTPStatusError as error:
            raise _refusal(error) from error
        except httpx2.HTTPError as error:
            message = f"the API server does not answer: {type(error).__name__} {error}"
            raise ClusterError(Code.UNAVAILABLE, message, transient=True) from error

    return translated


def _refusal(error: httpx2.HTTPStatusError) -> ClusterError:
    # Of a group that it does not know the API server speaks plainly, not as a Kubernetes Status.
    said = error.status.message if isinstance(error, ApiError) else error.response.text.strip()
    status = error.response.status_code
    transient = status in _PASSING or status >= _SERVER
    code = Code.UNAVAILABLE if transient else Code.INVALID_ARGUMENT
    return ClusterError(code, said or str(error), transient=transient)
