"""A2A 0.3 over JSON-RPC, translated to and from 1.0.

https://a2a-protocol.org/v0.3.0/specification. The shapes of both versions are documents here: a
message of 0.3 has no type of its own in this program.
"""

from collections.abc import Mapping
from typing import Any

from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.a2a.errors import A2aError, Reason
from omnia_facade.doors.a2a.operations import Operation

METHODS: Mapping[str, Operation] = {
    "message/send": Operation.SEND,
    "message/stream": Operation.STREAM,
    "tasks/get": Operation.GET,
    "tasks/cancel": Operation.CANCEL,
    "tasks/resubscribe": Operation.SUBSCRIBE,
    "tasks/pushNotificationConfig/set": Operation.PUSH_CREATE,
    "tasks/pushNotificationConfig/get": Operation.PUSH_GET,
    "tasks/pushNotificationConfig/list": Operation.PUSH_LIST,
    "tasks/pushNotificationConfig/delete": Operation.PUSH_DELETE,
    "agent/getAuthenticatedExtendedCard": Operation.EXTENDED_CARD,
}
_ROLES = {"user": "ROLE_USER", "agent": "ROLE_AGENT"}
_ROLES_BACK = {new: old for old, new in _ROLES.items()}
_STATE = "TASK_STATE_"
_FINAL = frozenset(
    {"completed", "failed", "canceled", "rejected", "input-required", "auth-required"}
)


def request(operation: Operation, params: JsonObject) -> JsonObject:
    """Return the parameters of 1.0.

    Raises:
        A2aError: INVALID_PARAMS: a part of a message is of no known kind.
    """
    match operation:
        case Operation.SEND | Operation.STREAM:
            return {
                **params,
                "message": _message(params.get("message")),
                "configuration": _configuration(params.get("configuration")),
            }
        case Operation.PUSH_CREATE:
            config = _push_config(params.get("pushNotificationConfig"))
            return {**config, "taskId": params.get("taskId")}
        case Operation.PUSH_GET | Operation.PUSH_LIST | Operation.PUSH_DELETE:
            return {"taskId": params.get("id"), "id": params.get("pushNotificationConfigId")}
        case _:
            # 0 means all of the history.
            return {**params, "historyLength": params.get("historyLength") or None}


def result(operation: Operation, value: JsonObject) -> Any:
    """Return the result of an operation that does not stream."""
    match operation:
        case Operation.SEND:
            return event(value)
        case Operation.GET | Operation.CANCEL:
            return _task(value)
        case Operation.PUSH_CREATE | Operation.PUSH_GET:
            return _task_push_config(value)
        case Operation.PUSH_LIST:
            return [_task_push_config(config) for config in value.get("configs", ())]
        case Operation.PUSH_DELETE:
            return None
        case _:
            return value


def event(response: JsonObject) -> JsonObject:
    """Return a `StreamResponse` or `SendMessageResponse` as an event."""
    if task := response.get("task"):
        return _task(task)
    if update := response.get("statusUpdate"):
        status = _status(update["status"])
        return {
            **update,
            "kind": "status-update",
            "status": status,
            "final": status["state"] in _FINAL,
        }
    update = response["artifactUpdate"]
    return {
        **update,
        "kind": "artifact-update",
        "artifact": _artifact(update["artifact"]),
    }


def card_members(card: JsonObject, url: str) -> JsonObject:
    """Return what a card needs besides for clients that know only 0.3.

    A client of 1.0 ignores these members, and a signature does not cover them.
    """
    members: JsonObject = {
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "supportsAuthenticatedExtendedCard": card["capabilities"].get("extendedAgentCard", False),
    }
    if schemes := card.get("securitySchemes"):
        members["securitySchemes"] = {
            name: {**scheme, **_scheme(scheme)} for name, scheme in schemes.items()
        }
    if requirements := card.get("securityRequirements"):
        members["security"] = [
            {name: scopes.get("list", []) for name, scopes in requirement["schemes"].items()}
            for requirement in requirements
        ]
    return members


def _scheme(scheme: JsonObject) -> JsonObject:
    """Return the members of 0.3 of a security scheme."""
    if http := scheme.get("httpAuthSecurityScheme"):
        return {"type": "http", **http}
    if openid := scheme.get("openIdConnectSecurityScheme"):
        return {"type": "openIdConnect", **openid}
    return {}


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    parts = message.get("parts")
    role = message.get("role")
    return {
        **message,
        "role": _ROLES.get(role, role) if isinstance(role, str) else role,
        "parts": [_part(part) for part in parts] if isinstance(parts, list) else parts,
    }


def _part(part: Any) -> JsonObject:
    kind = part.get("kind") if isinstance(part, dict) else None
    if kind == "text":
        return {"text": part.get("text"), "metadata": part.get("metadata")}
    if kind == "data":
        return {"data": part.get("data"), "metadata": part.get("metadata")}
    file = part.get("file") if kind == "file" else None
    if isinstance(file, dict):
        return {
            "raw": file.get("bytes"),
            "url": file.get("uri"),
            "mediaType": file.get("mimeType"),
            "filename": file.get("name"),
            "metadata": part.get("metadata"),
        }
    raise A2aError(
        Reason.INVALID_PARAMS,
        'the kind of a part must be "text", "file" (with a file) or "data"',
        field="message.parts",
    )


def _configuration(configuration: Any) -> Any:
    if not isinstance(configuration, dict):
        return configuration
    push = configuration.get("pushNotificationConfig")
    return {
        "acceptedOutputModes": configuration.get("acceptedOutputModes"),
        "historyLength": configuration.get("historyLength") or None,
        "returnImmediately": configuration.get("blocking") is False,
        "taskPushNotificationConfig": _push_config(push) if push is not None else None,
    }


def _push_config(config: Any) -> JsonObject:
    if not isinstance(config, dict):
        return {}
    authentication = config.get("authentication")
    if isinstance(authentication, dict):
        schemes = authentication.get("schemes")
        scheme = schemes[0] if isinstance(schemes, list) and schemes else None
        authentication = {"scheme": scheme, "credentials": authentication.get("credentials")}
    return {**config, "authentication": authentication}


def _task_push_config(config: JsonObject) -> JsonObject:
    old = {name: value for name, value in config.items() if name != "taskId"}
    if authentication := config.get("authentication"):
        credentials = authentication.get("credentials")
        old["authentication"] = {
            "schemes": [authentication["scheme"]],
            **({"credentials": credentials} if credentials else {}),
        }
    return {"taskId": config.get("taskId", ""), "pushNotificationConfig": old}


def _task(task: JsonObject) -> JsonObject:
    old = {**task, "kind": "task", "status": _status(task["status"])}
    if "history" in task:
        old["history"] = [_old_message(message) for message in task["history"]]
    if "artifacts" in task:
        old["artifacts"] = [_artifact(artifact) for artifact in task["artifacts"]]
    return old


def _status(status: JsonObject) -> JsonObject:
    state = status["state"].removeprefix(_STATE).lower().replace("_", "-")
    old = {**status, "state": state}
    if "message" in status:
        old["message"] = _old_message(status["message"])
    return old


def _artifact(artifact: JsonObject) -> JsonObject:
    return {**artifact, "parts": [_old_part(part) for part in artifact["parts"]]}


def _old_message(message: JsonObject) -> JsonObject:
    return {
        **message,
        "kind": "message",
        "role": _ROLES_BACK[message["role"]],
        "parts": [_old_part(part) for part in message["parts"]],
    }


def _old_part(part: JsonObject) -> JsonObject:
    metadata = {"metadata": part["metadata"]} if "metadata" in part else {}
    if "text" in part:
        return {"kind": "text", "text": part["text"], **metadata}
    if "data" in part:
        data = part["data"]
        # 0.3 has objects only.
        return {
            "kind": "data",
            "data": data if isinstance(data, dict) else {"value": data},
            **metadata,
        }
    names = (("raw", "bytes"), ("url", "uri"), ("mediaType", "mimeType"), ("filename", "name"))
    return {
        "kind": "file",
        "file": {old: part[new] for new, old in names if new in part},
        **metadata,
    }
