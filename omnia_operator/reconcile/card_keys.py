"""The key that signs an agent card: a Secret that the manifest names, or one that we make."""

from base64 import b64decode
from dataclasses import replace

from omnia_core.cards.signature import new_key, public_key
from omnia_operator.api import AgentRuntime
from omnia_operator.cluster.errors import ClusterError
from omnia_operator.cluster.port import Cluster
from omnia_operator.labels import OwnedNames
from omnia_operator.plan.doors import CARD_KEY, signs_card
from omnia_operator.resolve import CardKey, Found


async def with_card_key(cluster: Cluster, agent: AgentRuntime, found: Found) -> Found:
    """Return what was found together with the key of the agent's card, if the card is signed.

    A key of our own is made once, and kept as long as the agent: it is read before it is applied.
    """
    door = agent.spec.facade.a2a
    if door is None or door.signing is None or not signs_card(agent):
        return found
    reference, (namespace, name) = door.signing.secret_ref, agent.key
    secret = reference.name if reference else OwnedNames(name).card_key
    key = reference.key if reference else CARD_KEY
    try:
        values = await cluster.secret_values((namespace, secret))
    except ClusterError as error:
        return _without(found, f'Secret "{secret}" cannot be read: {error}')
    encoded = values.get(key, "")
    if not encoded and reference is None:
        return replace(found, card_key=CardKey(new_key()))
    if not encoded:
        return _without(
            found,
            f'Secret "{secret}" has no key "{key}": add it, or correct'
            " spec.facade.a2a.signing.secretRef",
        )
    try:
        pem = b64decode(encoded).decode()
        public_key(pem)
    except ValueError as error:
        return _without(found, f'key "{key}" of Secret "{secret}": {error}')
    return replace(found, card_key=CardKey(pem))


def _without(found: Found, problem: str) -> Found:
    return replace(found, card_key=CardKey(problem=problem))
