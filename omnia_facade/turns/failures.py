"""Why the runtime gave no answer, in words for a client: nothing of what is inside it."""

from msgspec import structs

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Code
from omnia_facade.dialogue.audio import NO_AUDIO
from omnia_facade.dialogue.events import Failed
from omnia_facade.runtime_client.port import RuntimeFailed

_AGAIN = "send the message again"
_CALL_AGAIN = "call again"


class Broken(Failed, frozen=True):
    """A failure after which the stream cannot carry another turn."""


ENDED = Broken(
    ErrorCode.AGENT_UNAVAILABLE, f"the agent stopped in the middle of its answer; {_AGAIN}"
)


def silent(seconds: float) -> Broken:
    """Say that a runtime was given up."""
    return Broken(
        ErrorCode.AGENT_UNAVAILABLE, f"the agent said nothing for {seconds:g} s; {_AGAIN}"
    )


def broken_turn(failed: RuntimeFailed) -> Broken:
    """Say why a turn broke off."""
    if failed.unreachable:
        return Broken(ErrorCode.AGENT_UNAVAILABLE, f"the agent cannot be reached; {_AGAIN}")
    if failed.code is Code.RESOURCE_EXHAUSTED:
        return Broken(
            ErrorCode.INTERNAL_ERROR, "the message or the answer is too large for the agent"
        )
    return Broken(ErrorCode.INTERNAL_ERROR, f"the agent failed while answering; {_AGAIN}")


def told(broken: Broken, *, kept: bool) -> Broken:
    """Add what became of the answer so far."""
    fate = "is kept" if kept else "is not confirmed to be kept"
    return structs.replace(broken, message=f"{broken.message}; what it said so far {fate}")


CALL_ENDED = Failed(ErrorCode.DUPLEX_ERROR, f"the agent ended the call; {_CALL_AGAIN}")


def not_taken(seconds: float) -> Failed:
    """Say that a runtime did not answer a call."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"the agent did not take the call for {seconds:g} s; {_CALL_AGAIN}"
    )


def deaf(seconds: float) -> Failed:
    """Say that a runtime took no audio."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"the agent took no audio for {seconds:g} s; {_CALL_AGAIN}"
    )


def silent_call(seconds: float) -> Failed:
    """Say that nobody said anything."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"neither side said anything for {seconds:g} s; {_CALL_AGAIN}"
    )


def broken_call(failed: RuntimeFailed) -> Failed:
    """Say why a call broke off."""
    if failed.unreachable:
        return Failed(ErrorCode.AGENT_UNAVAILABLE, f"the agent cannot be reached; {_CALL_AGAIN}")
    if failed.code is Code.UNIMPLEMENTED:
        return NO_AUDIO
    return Failed(ErrorCode.DUPLEX_ERROR, f"the agent failed during the call; {_CALL_AGAIN}")
