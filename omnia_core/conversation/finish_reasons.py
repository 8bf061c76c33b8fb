"""Why an answer ended."""

from typing import Literal, TypeAlias

# What a model reports.
FinishReason: TypeAlias = Literal["stop", "max_output_tokens", "tool_use", "safety", "refusal"]

# The client cancelled the turn: the answer is what was sent until then.
CANCELLED = "cancelled"
# The runtime died during the turn: the answer is its last checkpoint.
INTERRUPTED = "interrupted"
# The answer was given elsewhere: a client began the session with it.
IMPORTED = "imported"
