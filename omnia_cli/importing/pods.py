"""What pods have, in the words of Kubernetes, as most sources write it."""

from omnia_cli.importing.fields import Asked, Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.names import key_name, label, object_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.objects import present
from omnia_cli.importing.secrets import is_secret_name
from omnia_core.jsonvalue import JsonObject

_KINDS = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
_OURS = "/etc/omnia"
_OWN_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
    "omnia.altairalabs.ai/",
)


def variables(fields: Fields, name: str) -> list[JsonObject]:
    """Return the variables of a container; plain values that look like secrets are asked for."""
    found = []
    for entry in fields.objects(name):
        variable, value, source = entry.text("name"), entry.text("value"), entry.raw("valueFrom")
        if not variable:
            entry.note(NoteKind.ASKED, "expected the name of a variable: it is left out")
        elif variable.startswith("KAGENT_"):
            entry.note(NoteKind.DROPPED, f"{variable} is a setting of kagent")
        elif variable.startswith("OTEL_"):
            entry.note(NoteKind.DROPPED, f"{variable}: tracing is set by the operator's chart")
        elif isinstance(source, dict):
            found.append({"name": variable, "valueFrom": source})
        else:
            found.append(_variable(variable, value or "", entry))
    return found


def plain_variables(environment: dict[str, str], fields: Fields) -> list[JsonObject]:
    """Return the variables of a map."""
    return [_variable(name, value, fields) for name, value in environment.items()]


def _variable(name: str, value: str, fields: Fields) -> JsonObject:
    if not value or not is_secret_name(name) or isinstance(value, Asked):
        return {"name": name, "value": value}
    what = f"{name} looks like a secret: its value is not copied, put it into a Secret"
    fields.note(NoteKind.ASKED, what)
    reference = {"name": Asked(what), "key": key_name(name)}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def variables_of_objects(
    fields: Fields, name: str, namespace: str, inputs: Inputs
) -> list[JsonObject]:
    """Return one variable for each key of the ConfigMaps and Secrets of an envFrom."""
    found: list[JsonObject] = []
    for entry in fields.objects(name):
        prefix = entry.text("prefix") or ""
        for kind, source in (("configMapRef", "configMapKeyRef"), ("secretRef", "secretKeyRef")):
            reference = entry.object(kind)
            target = reference.text("name")
            reference.known("optional")
            if not target:
                continue
            keys = (
                inputs.config_map(namespace, target)
                if kind == "configMapRef"
                else inputs.secret_keys(namespace, target)
            )
            if keys is None:
                entry.note(
                    NoteKind.NO_EQUIVALENT,
                    f"the keys of {_KINDS[kind]} {target} are not among the input",
                )
                continue
            entry.note(
                NoteKind.CHANGED,
                f"one variable for each key that {target} has now: keys that are added later are"
                " not seen",
            )
            found += [
                {"name": prefix + key, "valueFrom": {source: {"name": target, "key": key}}}
                for key in keys
            ]
    return found


def placement(fields: Fields) -> JsonObject:
    """Return nodeSelector, tolerations and affinity."""
    selector, affinity = fields.mapping("nodeSelector"), fields.raw("affinity")
    tolerations = fields.raw("tolerations")
    return present(
        {
            "nodeSelector": selector,
            "tolerations": tolerations if isinstance(tolerations, list) else None,
            "affinity": affinity if isinstance(affinity, dict) else None,
        }
    )


def volumes(fields: Fields, volume_name: str, mount_name: str) -> JsonObject:
    """Return volumes, and the mounts of the runtime's container."""
    made, mounts = [], []
    for volume in fields.objects(volume_name):
        value = {name: volume.raw(name) for name in volume.names()}
        if isinstance(value.get("name"), str):
            made.append({**value, "name": _volume(value["name"])})
    for mount in fields.objects(mount_name):
        name, path = mount.text("name"), mount.text("mountPath")
        if not name or not path:
            mount.note(NoteKind.ASKED, "expected name and mountPath: it is left out")
            continue
        if path.startswith(_OURS):
            path = mount.ask(
                f"another folder: {_OURS} belongs to the runtime", "mountPath", "/replace-me"
            )
        entry = {"name": _volume(name), "mountPath": path}
        entry |= present({"readOnly": mount.flag("readOnly"), "subPath": mount.text("subPath")})
        mount.drop(
            "volumes are mounted by name, path and subPath",
            "mountPropagation",
            "subPathExpr",
            "recursiveReadOnly",
        )
        mounts.append(entry)
    return present({"volumes": made, "volumeMounts": mounts})


def workload(fields: Fields, namespace: str, inputs: Inputs) -> JsonObject:
    """Return the block runtime from a pod's settings of kagent."""
    replicas = fields.integer("replicas")
    resources = fields.raw("resources")
    env = variables(fields, "env")
    env += variables_of_objects(fields, "envFrom", namespace, inputs)
    made = {
        "replicas": replicas if replicas is not None and replicas >= 0 else None,
        "resources": resources if isinstance(resources, dict) else None,
        **placement(fields),
        **of_pods(fields),
        **volumes(fields, "volumes", "volumeMounts"),
        "extraEnv": list({variable["name"]: variable for variable in env}.values()),
        "extraContainers": _containers(fields),
    }
    fields.drop(
        "the labels and annotations of a Deployment are the operator's", "deploymentAnnotations"
    )
    fields.drop(
        "pods run as a fixed user without privileges", "securityContext", "podSecurityContext"
    )
    fields.drop("it belongs to the operator's chart", "imageRegistry", "imagePullPolicy")
    return present(made)


def of_pods(fields: Fields) -> JsonObject:
    """Return labels, annotations, accounts and priority of the pods."""
    account, spread = fields.text("serviceAccountName"), fields.raw("topologySpreadConstraints")
    fields.lack(
        "give its rights to the ServiceAccount that runtime.serviceAccountName names",
        "serviceAccountConfig",
    )
    if account and account.startswith("omnia-"):
        account = fields.ask(
            "a ServiceAccount without omnia- before its name", "serviceAccountName"
        )
    secrets = [entry.text("name") for entry in fields.objects("imagePullSecrets")]
    labels = fields.mapping("labels")
    for name in [key for key in labels if key.startswith(_OWN_LABELS)]:
        fields.note(NoteKind.DROPPED, f"the label {name} of pods is the operator's")
        del labels[name]
    annotations = {**fields.mapping("annotations"), **fields.mapping("extraPodAnnotations")}
    return present(
        {
            "podLabels": labels,
            "podAnnotations": annotations,
            "serviceAccountName": object_name(account) if account else None,
            "imagePullSecrets": [{"name": object_name(name)} for name in secrets if name],
            "priorityClassName": fields.text("priorityClassName"),
            "topologySpreadConstraints": spread if isinstance(spread, list) else None,
        }
    )


def _containers(fields: Fields) -> list[JsonObject]:
    found = []
    for entry in fields.objects("extraContainers"):
        name, image = entry.text("name"), entry.text("image")
        if not name or not image:
            entry.note(NoteKind.ASKED, "expected name and image: it is left out")
            continue
        raw = {key: entry.raw(key) for key in ("resources", "ports")}
        made = {
            "name": label(name),
            "image": image,
            "command": entry.texts("command") if "command" in entry else None,
            "args": entry.texts("args") if "args" in entry else None,
            "env": variables(entry, "env"),
            **raw,
            "volumeMounts": volumes(entry, "", "volumeMounts").get("volumeMounts"),
        }
        found.append(present(made))
    return found


def _volume(name: str) -> str:
    return f"x-{name}" if name.startswith("omnia-") else name
