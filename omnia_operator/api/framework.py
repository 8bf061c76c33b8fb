"""The framework block of an AgentRuntime."""

from enum import StrEnum
from typing import ClassVar

from omnia_operator.api.model import (
    Model,
    Text,
)
from omnia_operator.api.rules import rule


class FrameworkType(StrEnum):
    """What runs the agent loop."""

    PROMPTKIT = "promptkit"
    CUSTOM = "custom"


class Framework(Model):
    """What runs the agent loop."""

    type: FrameworkType = FrameworkType.PROMPTKIT
    """The built-in runtime, or an image of yours that serves the contract `omnia.runtime.v1`."""
    version: Text | None = None
    """Tag of the built-in runtime image."""
    image: Text | None = None
    """Image of the runtime container; it overrides `version`. Required for `custom`."""

    custom_framework_has_an_image: ClassVar = rule(
        "a custom framework runs an image of yours: add image",
        cel="self.type != 'custom' || has(self.image)",
        at="image",
    )
