"""What the operator shows a tool server to be let in."""

import base64

from omnia_core.errors import ConfigurationError
from omnia_operator.api.toolauth import Auth, AuthType
from omnia_operator.api.toolhandler import ToolHandler
from omnia_operator.discovery.port import Context, OnlyTheAgentKnows


def authorization(handler: ToolHandler, context: Context) -> dict[str, str]:
    """Return the header that proves who asks, none when the server wants no proof.

    Raises:
        OnlyTheAgentKnows: the proof belongs to the agent's pod.
        ConfigurationError: the Secret is missing or useless.
    """
    auth = handler.auth or Auth()
    if auth.type is AuthType.NONE:
        return {}
    if auth.secret_ref is None:
        raise OnlyTheAgentKnows(
            f"its auth {auth.type.value} is the identity of the agent's pod, which alone can ask it"
        )
    secret = context.credentials.get(handler.name)
    # A key that was made with `echo` ends with a line break.
    value = secret.reveal().strip() if secret else ""
    named = f'the key "{auth.secret_ref.key}" of the Secret "{auth.secret_ref.name}"'
    if not value:
        raise ConfigurationError(f"{named} is missing or empty: add it")
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(f"{named} is no text that fits in a header: correct it")
    if auth.type is AuthType.BASIC:
        return {"authorization": f"Basic {base64.b64encode(value.encode()).decode()}"}
    return {"authorization": f"Bearer {value}"}
