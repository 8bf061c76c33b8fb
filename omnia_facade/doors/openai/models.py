"""The one model of an agent, under each name by which clients may ask for it."""

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.openai.refusals import unknown_model

# For clients that cannot leave out the name of the model.
DEFAULT = "default"


class AgentModel(Struct, frozen=True):
    """An agent as a model.

    Attributes:
        created: when the server began to serve it, as seconds since 1970.
    """

    name: str
    namespace: str
    created: int

    def check(self, asked: str) -> None:
        """Check the name of the model in a request; "" asks for the agent, whichever it is.

        Raises:
            DoorFailed: another model is asked for.
        """
        names = ("", self.name, DEFAULT, f"omnia/{self.namespace}/{self.name}")
        if asked not in names:
            raise unknown_model(asked, self.name)

    def document(self) -> JsonObject:
        """Return the model object."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": self.namespace,
        }

    def listing(self) -> JsonObject:
        """Return the list of models, which has one."""
        return {"object": "list", "data": [self.document()]}
