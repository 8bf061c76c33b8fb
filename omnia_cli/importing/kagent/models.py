"""ModelConfigs of kagent as Providers."""

from dataclasses import dataclass, field

from omnia_cli.importing.fields import PLACEHOLDER_URL, Asked, Fields
from omnia_cli.importing.inputs import Inputs
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
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
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


@dataclass
class Model:
    """A ModelConfig that was read.

    Attributes:
        spec: of the Provider.
        parameters: what only a prompt can have.
    """

    name: str
    namespace: str
    spec: JsonObject
    parameters: JsonObject = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)


def read_model(source: Source, inputs: Inputs) -> Model:
    """Return the Provider of a ModelConfig."""
    root = Fields(source, source.value)
    root.known("apiVersion", "kind", "metadata", "status")
    spec = root.object("spec")
    vendor = spec.text("provider") or "OpenAI"
    block = spec.object(_BLOCKS.get(vendor, "openAI"))
    made: JsonObject = {"type": _type(vendor, spec), "model": spec.text("model")}
    model = Model(object_name(source.name), source.namespace, made, {}, [source])
    _address(made, vendor, spec, block, inputs)
    _key(made, vendor, spec, block)
    if headers := _headers(vendor, spec, block):
        made["headers"] = headers
    _settings(model, block, vendor)
    if not made["model"]:
        made["model"] = spec.ask("the model, spelt as the vendor spells it", "model")
    if spec.object("tls"):
        _tls(made, spec)
    if capabilities := _capabilities(spec):
        made["capabilities"] = capabilities
    spec.drop("answers are always streamed", "stream")
    root.finish()
    return model


def missing_model(name: str, namespace: str, user: Source, path: Fields) -> Model:
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
    return Model(object_name(name), namespace, spec)


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
        if deployment:
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


def _settings(model: Model, block: Fields, vendor: str) -> None:
    made = model.spec
    defaults: JsonObject = {}
    if vendor == "Ollama":
        _ollama(defaults, block)
    for theirs, ours, most in (("temperature", "temperature", 2), ("topP", "topP", 1)):
        number = block.number(theirs)
        if number is not None and 0 <= number <= most:
            defaults[ours] = number
        elif number is not None:
            block.note(
                NoteKind.ASKED, f"expected a number from 0 to {most}: it is left out", theirs
            )
    for theirs in ("maxTokens", "maxCompletionTokens", "maxOutputTokens"):
        if (tokens := block.integer(theirs)) is not None and tokens > 0:
            defaults["maxTokens"] = tokens
    if (seconds := block.integer("timeout")) is not None and seconds > 0:
        defaults["requestTimeout"] = f"{seconds}s"
        block.note(
            NoteKind.CHANGED,
            f"{seconds} s was for the whole request; requestTimeout is the time to the first byte",
            "timeout",
        )
    _parameters(model, block)
    block.drop("no provider takes a seed", "seed")
    block.drop("no provider takes it", "n", "stopSequences", "candidateCount", "responseMimeType")
    _openai(made, block, vendor)
    if defaults:
        made["defaults"] = defaults


def _parameters(model: Model, block: Fields) -> None:
    """Read what only a prompt can have."""
    for theirs, ours in (
        ("topK", "top_k"),
        ("frequencyPenalty", "frequency_penalty"),
        ("presencePenalty", "presence_penalty"),
    ):
        if (number := block.number(theirs)) is not None:
            model.parameters[ours] = int(number) if ours == "top_k" else number
            block.note(
                NoteKind.MOVED, "to the parameters of the packs of the agents that use it", theirs
            )


def _openai(made: JsonObject, block: Fields, vendor: str) -> None:
    if vendor != "OpenAI":
        return
    settings: JsonObject = {}
    if form := block.text("apiFormat"):
        settings["api"] = "responses" if form == "responses" else "completions"
    effort = block.text("reasoningEffort")
    if effort in _EFFORTS:
        settings["reasoningEffort"] = effort
    elif effort:
        block.note(NoteKind.ASKED, f"expected one of {', '.join(_EFFORTS)}", "reasoningEffort")
    if settings:
        made["openai"] = settings


def _ollama(defaults: JsonObject, block: Fields) -> None:
    options = block.object("options")
    names = {"temperature": "temperature", "top_p": "topP"}
    for theirs, ours in names.items():
        if (number := options.number(theirs)) is not None:
            defaults[ours] = number
    if (tokens := options.integer("num_predict")) is not None and tokens > 0:
        defaults["maxTokens"] = tokens
    if (window := options.integer("num_ctx")) is not None and window > 0:
        defaults["contextWindow"] = window
        options.note(
            NoteKind.CHANGED,
            "it sized the model; this is what the runtime sends at most:"
            " set OLLAMA_CONTEXT_LENGTH at the server",
            "num_ctx",
        )
    options.drop("no provider takes it", *options.unread())


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


def _capabilities(spec: Fields) -> list[str]:
    info = spec.object("modelInfo")
    names = {"vision": "vision", "functionCalling": "tools", "jsonOutput": "json"}
    found = [ours for theirs, ours in names.items() if info.flag(theirs)]
    info.drop(
        "capabilities are not compared", "family", "structuredOutput", "multipleSystemMessages"
    )
    return ["text", "streaming", *found] if info else []
