"""ModelConfigs of kagent as Providers."""

from omnia_cli.importing.fields import PLACEHOLDER_URL, Asked, Fields
from omnia_cli.importing.inputs import Inputs
from omnia_cli.importing.kagent.model_settings import KagentModel, capabilities, read_settings
from omnia_cli.importing.names import object_name
from omnia_cli.importing.notes import NoteKind
from omnia_cli.importing.secrets import is_secret_name
from omnia_cli.importing.sources import Source
from omnia_core.jsonvalue import JsonObject

_TYPES = {
    "OpenAI": "openai",
    "Anthropic": "claude",
    "Gemini": "gemini",
    "Ollama": "ollama",
    "AzureOpenAI": "openai",
    "Foundry": "openai",
}
_BLOCKS = {
    "OpenAI": "openAI",
    "Anthropic": "anthropic",
    "Gemini": "gemini",
    "Ollama": "ollama",
    "AzureOpenAI": "azureOpenAI",
    "Foundry": "foundry",
    "GeminiVertexAI": "geminiVertexAI",
    "AnthropicVertexAI": "anthropicVertexAI",
    "Bedrock": "bedrock",
    "SAPAICore": "sapAICore",
}
_OF_VENDORS = (
    "projectID",
    "location",
    "region",
    "guardrail",
    "promptCaching",
    "cacheTTL",
    "additionalModelRequestFields",
    "readTimeout",
    "connectTimeout",
    "resourceGroup",
    "authUrl",
    "baseUrl",
)


def read_model(source: Source, inputs: Inputs) -> KagentModel:
    """Return the Provider of a ModelConfig."""
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    vendor = spec.text("provider") or "OpenAI"
    block = spec.object(_BLOCKS.get(vendor, "openAI"))
    made: JsonObject = {"type": _type(vendor, spec), "model": spec.text("model")}
    model = KagentModel(object_name(source.name), source.namespace, made, {}, [source])
    _address(made, vendor, spec, block, inputs)
    _key(made, vendor, spec, block)
    if headers := _headers(vendor, spec, block):
        made["headers"] = headers
    read_settings(model, block, vendor)
    if not made["model"]:
        made["model"] = spec.ask("the model, spelt as the vendor spells it", "model")
    if spec.object("tls"):
        _tls(made, spec)
    if known := capabilities(spec):
        made["capabilities"] = known
    spec.drop("answers are always streamed", "stream")
    root.finish()
    return model


def missing_model(name: str, namespace: str, user: Source, path: Fields) -> KagentModel:
    """Return a Provider for a ModelConfig that is not among the input."""
    path.note(
        NoteKind.ASKED,
        f"Provider {namespace}/{name} is not among the input ({user.kind} {user.namespace}/"
        f'{user.name} names ModelConfig "{name}")'
        + (
            ": default-model-config is made by kagent's chart, see its values providers.*"
            if name == "default-model-config"
            else ""
        ),
    )
    spec: JsonObject = {
        "type": "openai",
        "model": Asked("the model, spelt as the vendor spells it"),
        "secretRef": {"name": Asked("the Secret that holds the API key")},
    }
    return KagentModel(object_name(name), namespace, spec)


def _type(vendor: str, spec: Fields) -> str:
    if vendor in _TYPES:
        return _TYPES[vendor]
    model = spec.text("model") or ""
    claude = vendor == "AnthropicVertexAI" or (vendor == "Bedrock" and "anthropic." in model)
    return "claude" if claude else "openai"


def _address(made: JsonObject, vendor: str, spec: Fields, block: Fields, inputs: Inputs) -> None:
    if vendor not in _TYPES:
        protocol = "Claude's" if made["type"] == "claude" else "OpenAI's"
        spec.note(
            NoteKind.NO_EQUIVALENT,
            f"{spec.source.name} speaks to {vendor}, which is not served: give the address of a"
            f" gateway that speaks {protocol} protocol",
            "provider",
        )
        made["baseURL"] = Asked(f"the gateway to {vendor}", PLACEHOLDER_URL)
        block.drop(f"belongs to {vendor}", *_OF_VENDORS)
        return
    if vendor == "Ollama":
        host = block.text("host")
        if host:
            address = host if "://" in host else f"http://{host}"
            made["baseURL"] = address.rstrip("/").removesuffix("/v1") + "/v1"
        elif "apiKeySecret" in spec:
            made["type"], made["baseURL"] = "openai", "https://ollama.com/v1"
            block.note(NoteKind.ASKED, "the address of Ollama Cloud is a guess: check it")
        return
    if vendor == "AzureOpenAI":
        _azure(made, block.text("azureEndpoint"), block, "azureEndpoint")
        deployment = block.text("azureDeployment")
        if deployment and deployment != made["model"]:
            block.note(
                NoteKind.CHANGED,
                f"the model is the deployment {deployment}, not {made['model']}",
                "azureDeployment",
            )
            made["model"] = deployment
        block.drop("Azure is asked at its address without versions", "apiVersion")
        if "azureAdToken" in block:
            block.ask("a Secret with the token: its value is not copied", "azureAdToken")
        return
    if vendor == "Foundry":
        made["model"] = block.text("deployment") or made["model"]
        _azure(made, block.text("endpoint") or _endpoint_from(block, inputs), block, "endpoint")
        return
    if base := block.text("baseUrl"):
        made["baseURL"] = _with_scheme(base, block)


def _azure(made: JsonObject, endpoint: str | None, block: Fields, name: str) -> None:
    made["openai"] = {"api": "completions"}
    if not endpoint:
        made["baseURL"] = block.ask("the address of the Azure resource", name, PLACEHOLDER_URL)
        return
    made["baseURL"] = _with_scheme(endpoint, block).rstrip("/") + "/openai/v1"
    block.note(
        NoteKind.CHANGED,
        "Azure is spoken to at its OpenAI-compatible address: check that the resource serves"
        " /openai/v1",
        name,
    )


def _endpoint_from(block: Fields, inputs: Inputs) -> str | None:
    reference = block.object("endpointFrom")
    name, key = reference.text("name"), reference.text("key")
    reference.known("kind", "type")
    data = inputs.config_map(block.source.namespace, name or "")
    return (data or {}).get(key or "")


def _with_scheme(address: str, block: Fields) -> str:
    if address.startswith(("http://", "https://")):
        return address
    block.note(NoteKind.CHANGED, f"the address {address} gets https://")
    return f"https://{address}"


def _key(made: JsonObject, vendor: str, spec: Fields, block: Fields) -> None:
    name = spec.text("apiKeySecret")
    key = spec.text("apiKeySecretKey")
    if not name and "apiKeySecretRef" in spec:
        name = spec.text("apiKeySecretRef")
        if spec.source.version != "v1alpha1":
            spec.note(
                NoteKind.CHANGED,
                "apiKeySecretRef is read as apiKeySecret; the API server drops it",
                "apiKeySecretRef",
            )
    spec.known("apiKeySecretRef")
    if spec.flag("apiKeyPassthrough"):
        spec.lack(
            "the caller's token was sent to the model; ours never sends it on: give a key of"
            " the agent's own",
            "apiKeyPassthrough",
        )
        made["secretRef"] = {"name": Asked("the Secret with a key of the agent's own")}
    elif "tokenExchange" in block:
        block.lack("keys from a token exchange are not fetched", "tokenExchange")
        made["secretRef"] = {"name": Asked("the Secret that holds the API key")}
    elif name:
        reference: JsonObject = {"name": object_name(name)}
        if key:
            reference["key"] = key
        elif vendor in ("Bedrock", "SAPAICore"):
            spec.lack("its Secret has no single key: name the one for the gateway", "apiKeySecret")
        made["secretRef"] = reference
    elif vendor != "Ollama" and ("baseURL" not in made or vendor in ("AzureOpenAI", "Foundry")):
        spec.ask("the Secret that holds the API key", "apiKeySecret")
        made["secretRef"] = {"name": Asked("the Secret that holds the API key")}


def _headers(vendor: str, spec: Fields, block: Fields) -> dict[str, str]:
    given = spec.object("defaultHeaders")
    found: dict[str, str] = {}
    for name in given.names():
        if is_secret_name(name):
            found[name] = given.ask(
                f"the header {name} looks like a secret and stood in plain text: its value is not"
                " copied",
                name,
            )
        elif (value := given.text(name)) is not None:
            found[name] = value
    if vendor == "OpenAI" and (organization := block.text("organization")):
        found["OpenAI-Organization"] = organization
    return found


def _tls(made: JsonObject, spec: Fields) -> None:
    tls = spec.object("tls")
    made["tls"] = authority(tls)
    if made["tls"] is None:
        del made["tls"]


def authority(tls: Fields) -> JsonObject | None:
    """Return the block tls of a server whose authority is in a Secret."""
    name, key = tls.text("caCertSecretRef"), tls.text("caCertSecretKey") or "ca.crt"
    if tls.flag("disableVerify"):
        tls.lack("certificates are always checked", "disableVerify")
    if tls.flag("disableSystemCAs"):
        tls.drop("the public authorities are trusted too", "disableSystemCAs")
    if not name:
        return None
    name, space = object_name(name), tls.source.namespace or "default"
    tls.note(
        NoteKind.ASKED,
        f"the certificates are read from a ConfigMap: kubectl get secret {name} -n {space} -o"
        f" jsonpath='{{.data.{key.replace('.', chr(92) + '.')}}}' | base64 -d > ca.crt;"
        f" kubectl create configmap {name} -n {space} --from-file={key}=ca.crt",
        "caCertSecretRef",
    )
    return {"caConfigMapRef": {"name": name, "key": key}}
