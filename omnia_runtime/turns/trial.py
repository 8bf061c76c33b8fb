"""What a session tries out: given with its first message, and known from then on."""

from omnia_core.conversation.trial import Trial
from omnia_core.sessions import Session
from omnia_runtime.turns.agent_version import TrialInvalid
from omnia_runtime.turns.turn import UserTurn


def trial_of(turn: UserTurn, session: Session | None) -> Trial | None:
    """Return what the session of a turn tries out.

    Raises:
        TrialInvalid: the message begins a trial in a session that has turns.
    """
    if turn.trial is None:
        return session.trial if session else None
    if session and session.turns:
        raise TrialInvalid("only the first message of a session may have one; begin a new session")
    return turn.trial
