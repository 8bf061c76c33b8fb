"""card.json: what the facade serves as agent card. The operator writes and signs it."""

from msgspec import Struct

from omnia_core.cards.card import CardContent
from omnia_core.jsonvalue import JsonObject


class CardFile(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The content of card.json.

    Attributes:
        content: what the author of the agent says, from which a card is made for the address of
            a request.
        card: the signed card, where the public address is known.
        extended_card: likewise, with the private skills.
        keys: the public keys of the signatures, as JWKs.
    """

    content: CardContent
    card: JsonObject | None = None
    extended_card: JsonObject | None = None
    keys: tuple[JsonObject, ...] = ()
