"""Why a request or a message is refused before anybody answers it."""

from enum import StrEnum


class Rejection(StrEnum):
    """The reasons; the first part are the `error` of an HTTP answer."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    MISDIRECTED_REQUEST = "misdirected_request"
    NOT_FOUND = "not_found"
    UPGRADE_REQUIRED = "upgrade_required"
    HEAD_TOO_LARGE = "head_too_large"
    INTERNAL_ERROR = "internal_error"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_CONNECTIONS_OF_USER = "too_many_connections_of_user"
    DRAINING = "draining"
    OVERLOADED = "overloaded"

    MESSAGE_RATE = "message_rate"
    TOO_MUCH_RECEIVED = "too_much_received"
