"""The reasons for which servers end an answer, in all their spellings."""

import re
from typing import Final

from omnia_core.conversation.finish_reasons import FinishReason
from omnia_runtime.providers.vendor_errors import VendorFailure

_STOP = (
    "stop",
    "stopped",
    "stop_sequence",
    "end_turn",
    "end",
    "eos",
    "eos_token",
    "complete",
    "completed",
    "done",
    "pause_turn",
)
_CUT = (
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_length",
    "model_length",
    "token_limit",
    "continuation",
    "model_context_window_exceeded",
)
_CALLS = ("tool_calls", "tool_call", "tool_use", "function_call", "function_calls")
_SAFETY = (
    "content_filter",
    "content_filtered",
    "safety",
    "recitation",
    "prohibited_content",
    "spii",
    "blocklist",
    "image_safety",
    "image_prohibited_content",
    "image_recitation",
    "escalation",
    "pup_limited_disabled",
    "model_armor",
    "guardrail_intervened",
    "sensitive",
)
_REFUSAL = ("refusal", "language", "other", "image_other", "no_image")
_REASONS: Final[dict[str, FinishReason]] = {
    **dict.fromkeys(_STOP, "stop"),
    **dict.fromkeys(_CUT, "max_output_tokens"),
    **dict.fromkeys(_CALLS, "tool_use"),
    **dict.fromkeys(_SAFETY, "safety"),
    **dict.fromkeys(_REFUSAL, "refusal"),
}
# How servers write that an answer has no reason yet.
_ABSENT = frozenset({"", "null", "none", "false", "0", "unspecified", "undefined"})
_UNSPECIFIED = "_unspecified"
# No answer of the same conversation has another end.
_ALWAYS = "missing_thought_signature"
_FAILED = re.compile(
    r"error|fail|abort|cancel|time_?d?_?out|insufficient|interrupt|malformed|unexpected|missing"
    r"|too_many|unavailable|overload|disconnect|no_?answer"
)


def given_reason(reason: str | None) -> str:
    """Return a reason as the server writes it; "" for each way to write that there is none."""
    plain = (reason or "").lower()
    return "" if plain in _ABSENT or plain.endswith(_UNSPECIFIED) else reason or ""


def finish_reason(reason: str, *, answered: bool, detail: str = "") -> FinishReason:
    """Return what a server's reason means.

    Args:
        reason: as the server writes it; "" when it gave none.
        answered: whether the server said anything, or called a tool.
        detail: the server's explanation of the reason, if there is one.

    Raises:
        VendorFailure: the reason is a failure; or it is unknown, and nothing was said.
    """
    plain = reason.lower().replace("-", "_")
    # Some add a detail, such as "content_filter: PROHIBITED_CONTENT".
    known = _REASONS.get(plain) or _REASONS.get(plain.partition(":")[0])
    if known is not None:
        return known
    words = f" ({detail[:300]})" if detail else ""
    if not plain and not answered:
        raise VendorFailure("ended its answer without a word and without a reason", retry=True)
    if _FAILED.search(plain):
        raise VendorFailure(
            f"gave no complete answer: {reason}{words}", retry=plain != _ALWAYS, attempts=2
        )
    if not answered:
        raise VendorFailure(
            f'ended its answer without a word for the reason "{reason}"{words}',
            retry=True,
            attempts=2,
        )
    return "stop"
