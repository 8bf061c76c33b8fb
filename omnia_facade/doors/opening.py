"""Composes the kernel of the doors."""

from typing import TYPE_CHECKING

from omnia_core.env.shared import SessionType
from omnia_core.sessions.factory import OnDemandSessionStore, open_sessions
from omnia_facade.backend.port import Backend
from omnia_facade.context import ProcessContext
from omnia_facade.doors.bodies import BodyBudget
from omnia_facade.doors.exchange import Kernel, Peers
from omnia_facade.doors.sessions import SessionRules
from omnia_facade.functions.function import Function
from omnia_facade.idempotency.opening import open_reply_store
from omnia_facade.idempotency.store import ReplyStore
from omnia_facade.new_sessions import session_ids
from omnia_facade.runs.records import RunRecords
from omnia_facade.runs.table import RunLimits, RunTable

if TYPE_CHECKING:
    from omnia_facade.media.opening import MediaService


def open_kernel(
    context: ProcessContext,
    backend: Backend | None,
    function: Function | None,
    media: "MediaService | None",
    peers: Peers | None = None,
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
        sessions=_session_rules(context, backend, media) if backend else None,
        function=function,
        bodies=BodyBudget(env.max_received.count),
        records=_open_records(context, replies),
        peers=peers,
        public_url=env.public_url or env.media_public_url or "",
    )


def _open_records(context: ProcessContext, replies: ReplyStore) -> RunRecords | None:
    """Return the records of runs; None where the pods of the agent do not know of each other."""
    env = context.env
    if env.pod_address is None or env.session_type is SessionType.MEMORY:
        return None
    host = f"[{env.pod_address}]" if ":" in env.pod_address else env.pod_address
    records = RunRecords(replies, f"{host}:{env.facade_port}")
    context.stack.push_async_callback(records.close)
    return records


def _session_rules(
    context: ProcessContext, backend: Backend, media: "MediaService | None"
) -> SessionRules:
    env, store = context.env, None
    if env.session_type is not SessionType.MEMORY:
        store = OnDemandSessionStore(env, open_sessions)
        context.stack.push_async_callback(store.close)
    return SessionRules(backend, session_ids(media), store)
