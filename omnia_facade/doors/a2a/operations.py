"""The operations of A2A, whatever the binding and the version."""

from enum import StrEnum

from msgspec import Struct

from omnia_core.jsonvalue import JsonObject


class Operation(StrEnum):
    """An operation; the value is its JSON-RPC method and its gRPC method."""

    SEND = "SendMessage"
    STREAM = "SendStreamingMessage"
    GET = "GetTask"
    LIST = "ListTasks"
    CANCEL = "CancelTask"
    SUBSCRIBE = "SubscribeToTask"
    PUSH_CREATE = "CreateTaskPushNotificationConfig"
    PUSH_GET = "GetTaskPushNotificationConfig"
    PUSH_LIST = "ListTaskPushNotificationConfigs"
    PUSH_DELETE = "DeleteTaskPushNotificationConfig"
    EXTENDED_CARD = "GetExtendedAgentCard"

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream of events."""
        return self in (Operation.STREAM, Operation.SUBSCRIBE)


class A2aCall(Struct, frozen=True):
    """A request, independent of its binding: `params` are those of 1.0.

    Attributes:
        legacy: whether the client speaks 0.3.
    """

    operation: Operation
    params: JsonObject
    legacy: bool = False
