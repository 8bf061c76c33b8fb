"""What a session tries out from its first message on."""

from typing import Annotated

from msgspec import Meta, Struct

MAX_NAME = 256
# In characters: it is stored with each message of the session.
MAX_SYSTEM = 32 * 1024


class Trial(Struct, frozen=True, omit_defaults=True):
    """The parts of an agent that a session replaces; "" for a part that stays.

    Attributes:
        version: of the PromptPack.
        provider: its name in the agent.
        system: the template of the system prompt.
    """

    version: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    provider: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    system: Annotated[str, Meta(max_length=MAX_SYSTEM)] = ""
