"""Asks the runtime for a session that begins with the first turns of another one."""

import structlog

from omnia_core.errors import Code
from omnia_facade.auth.principal import Principal
from omnia_facade.backend.port import Forked, ForkState, NewId
from omnia_facade.runtime_client.port import RuntimeClient, RuntimeFailed

# Ids made for a session that is to be placed beside another one: enough for a share of 1 %.
MAX_IDS = 1000

_log = structlog.get_logger()


async def fork(
    client: RuntimeClient, session_id: str, caller: Principal, after_turn: int, new_id: NewId
) -> Forked:
    """Return the new session, or why there is none."""
    placed = id_beside(client, session_id, caller, new_id)
    try:
        return await client.fork_conversation(session_id, placed, after_turn, caller)
    except RuntimeFailed as failed:
        if failed.code is Code.UNIMPLEMENTED:
            return Forked(ForkState.UNSUPPORTED)
        _log.warning("session not forked", session_id=session_id, reason=failed.message)
        return Forked(ForkState.UNAVAILABLE)


def id_beside(client: RuntimeClient, session_id: str, caller: Principal, new_id: NewId) -> str:
    """Return a new id that a rollout places on the side of a session, if it can.

    An id decides by which side its session is answered, and only that side has the version with
    which the session began: ids are made until one is on that side.
    """
    side = client.variant_of(session_id, caller)
    made = new_id(caller)
    for _ in range(MAX_IDS):
        if client.variant_of(made, caller) == side:
            break
        made = new_id(caller)
    return made
