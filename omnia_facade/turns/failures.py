"""Failures of the runtime in words for clients, without any of its internals."""

from msgspec import structs

from omnia_core.conversation.error_codes import ErrorCode
from omnia_core.errors import Advice, Code
from omnia_facade.backend.audio import AUDIO_UNSUPPORTED
from omnia_facade.backend.events import Failed
from omnia_facade.runtime_client.port import RuntimeFailed

_SEND_AGAIN = "send the message again"
_CALL_AGAIN = "call again"


class Broken(Failed, frozen=True):
    """A failure after which the stream cannot be used for another turn."""


ENDED = Broken(
    ErrorCode.AGENT_UNAVAILABLE, f"the agent stopped in the middle of its answer; {_SEND_AGAIN}"
)
LOST = Failed(
    ErrorCode.SESSION_EXPIRED,
    "the agent was restarted, and its conversations, which were in memory, are lost; "
    "send the message again to start a new one",
    advice=Advice(
        "The agent has forgotten this conversation.",
        "It was restarted and keeps them in memory. The next message begins a new one.",
    ),
)
CALL_ENDED = Failed(ErrorCode.DUPLEX_ERROR, f"the agent ended the call; {_CALL_AGAIN}")


def silent_turn(seconds: float) -> Broken:
    """The runtime sent nothing for too long."""
    return Broken(
        ErrorCode.AGENT_UNAVAILABLE, f"the agent said nothing for {seconds:g} s; {_SEND_AGAIN}"
    )


def long_turn(characters: int) -> Broken:
    """The runtime said too much."""
    return Broken(
        ErrorCode.INTERNAL_ERROR,
        f"the agent said more than {characters} characters in one answer, and was stopped",
    )


def broken_turn(failed: RuntimeFailed, *, greeted: bool) -> Broken:
    """The stream broke off during a turn; `greeted` if the runtime had begun to serve it."""
    if failed.unreachable:
        return Broken(
            ErrorCode.AGENT_UNAVAILABLE,
            f"the agent cannot be reached; {_SEND_AGAIN}",
            undelivered=not greeted,
        )
    if failed.code is Code.RESOURCE_EXHAUSTED:
        return Broken(
            ErrorCode.INTERNAL_ERROR, "the message or the answer is too large for the agent"
        )
    return Broken(ErrorCode.INTERNAL_ERROR, f"the agent failed while answering; {_SEND_AGAIN}")


def with_storage(broken: Broken, *, stored: bool) -> Broken:
    """Add whether the answer so far is stored."""
    state = "is stored" if stored else "is perhaps not stored"
    hint = "What it said is kept." if stored else "It is not confirmed that what it said is kept."
    advice = Advice("The answer broke off.", f"{hint} Send the message again.", True, kept=stored)
    message = f"{broken.message}; its answer so far {state}"
    return structs.replace(broken, message=message, advice=advice)


def call_not_accepted(seconds: float) -> Failed:
    """The runtime did not accept the call in time."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"the agent did not take the call for {seconds:g} s; {_CALL_AGAIN}"
    )


def audio_not_read(seconds: float) -> Failed:
    """The runtime did not read the audio in time."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"the agent took no audio for {seconds:g} s; {_CALL_AGAIN}"
    )


def silent_call(seconds: float) -> Failed:
    """Neither side sent anything for too long."""
    return Failed(
        ErrorCode.DUPLEX_ERROR, f"neither side said anything for {seconds:g} s; {_CALL_AGAIN}"
    )


def long_call(characters: int) -> Failed:
    """The runtime said too much."""
    return Failed(
        ErrorCode.DUPLEX_ERROR,
        f"the agent said more than {characters} characters in one answer, and was stopped",
    )


def broken_call(failed: RuntimeFailed) -> Failed:
    """The stream broke off during a call."""
    if failed.unreachable:
        return Failed(ErrorCode.AGENT_UNAVAILABLE, f"the agent cannot be reached; {_CALL_AGAIN}")
    if failed.code is Code.UNIMPLEMENTED:
        return AUDIO_UNSUPPORTED
    return Failed(ErrorCode.DUPLEX_ERROR, f"the agent failed during the call; {_CALL_AGAIN}")
