"""Embeddings of texts by OpenAI and compatible servers."""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from omnia_core.conversation.usage import Usage
from omnia_core.env import SecretStr
from omnia_core.files.providers import ProviderConfig
from omnia_core.sessions.audit import CallStatus
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.audit import current_recorder
from omnia_runtime.providers.lenient import token_count
from omnia_runtime.providers.openai.chat import api_url
from omnia_runtime.providers.pricing import prices_of
from omnia_runtime.providers.vendor_http import VendorHTTP


class _Embedding(Struct):
    embedding: list[float]
    index: int = 0


class _Usage(Struct):
    prompt_tokens: int | None = None


class _Answer(Struct):
    data: list[_Embedding]
    usage: _Usage | None = None


class OpenAIEmbeddings:
    """An embedding model (https://platform.openai.com/docs/api-reference/embeddings)."""

    def __init__(
        self, config: ProviderConfig, key: SecretStr | None, key_variable: str, client: HTTPClient
    ) -> None:
        """Prepare the calls.

        Raises:
            ValueError: a setting of the provider is invalid.
        """
        self._config = config
        self._url = api_url(config, "/embeddings")
        self._headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
        self._http = VendorHTTP(config, key, key_variable, client)
        self._prices = prices_of(config)

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, in their order.

        Raises:
            ProviderError: the call failed, or its answer is not what was asked for.
        """
        began = time.monotonic()
        status: CallStatus = "cancelled"
        usage, failure = Usage(), None
        try:
            found = await self._ask(texts)
            tokens = token_count(found.usage.prompt_tokens) if found.usage else 0
            status, usage = "success", self._prices.priced(Usage(input_tokens=tokens))
        except Exception as error:
            status, failure = "error", error
            raise
        finally:
            if (trail := current_recorder()) is not None:
                took = time.monotonic() - began
                trail.provider_called(
                    self._config.name, self._config.model, status, took, usage, failure
                )
        return [each.embedding for each in sorted(found.data, key=lambda each: each.index)]

    async def _ask(self, texts: Sequence[str]) -> _Answer:
        body = {"model": self._config.model, "input": list(texts)}
        answer = await self._http.json(self._url, self._headers, body)
        try:
            found = msgspec.json.decode(answer, type=_Answer)
        except msgspec.MsgspecError as error:
            raise self._http.error(f"answered without embeddings: {error}") from error
        lengths = sorted({len(each.embedding) for each in found.data})
        if len(found.data) != len(texts) or len(lengths) != 1 or lengths == [0]:
            raise self._http.error(
                f"answered with {len(found.data)} embeddings of the lengths {lengths} for"
                f" {len(texts)} texts: expected one for each text, all of the same length"
            )
        return found
