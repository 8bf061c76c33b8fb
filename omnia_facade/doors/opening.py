"""Composes the kernel of the doors."""

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Backend
from omnia_facade.context import ProcessContext
from omnia_facade.doors.exchange import Kernel
from omnia_facade.doors.sessions import SessionRules
from omnia_facade.functions.function import Function
from omnia_facade.idempotency.opening import open_reply_store
from omnia_facade.runs.table import RunLimits, RunTable

if TYPE_CHECKING:
    from omnia_facade.media.opening import MediaService


def open_kernel(
    context: ProcessContext,
    backend: Backend | None,
    function: Function | None,
    media: "MediaService | None",
) -> Kernel:
    """Return the kernel; it opens no connection before a door needs one.

    Raises:
        ConfigurationError: the URL of the session store is missing.
    """
    env = context.env
    replies = open_reply_store(env)
    context.stack.push_async_callback(replies.close)
    limits = RunLimits(
        runs=env.max_runs, log_bytes=env.max_run_logs.count, kept_seconds=env.run_kept.seconds
    )
    return Kernel(
        context=context,
        runs=RunTable(limits),
        replies=replies,
        backend=backend,
        sessions=SessionRules(backend, _session_ids(media)) if backend else None,
        function=function,
        public_url=env.public_url or env.media_public_url or "",
    )


def _session_ids(media: "MediaService | None") -> Callable[[Principal], str]:
    """Return what makes session ids: where uploads are kept, they know their owner."""
    if media is None:
        return lambda _: str(uuid.uuid4())
    ids = media.sessions.ids
    return lambda caller: ids.new(caller.user_id)
