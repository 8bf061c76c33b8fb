"""Versions of the agent that a session tries out: another pack, provider or prompt."""

from collections.abc import Callable

from msgspec import structs

from omnia_core.conversation.trial import Trial
from omnia_core.errors import ConfigurationError
from omnia_core.files.pack import Pack
from omnia_core.names import TRIAL_VARIANT
from omnia_runtime.prompts.pack_versions import PackVersions
from omnia_runtime.turns.agent_version import AgentVersion, TrialInvalid

MAX_KEPT = 16


class Trials:
    """Builds the versions that are tried out; the ones used last are kept."""

    def __init__(
        self, packs: PackVersions[Pack], prompt: str, build: Callable[[Pack], AgentVersion]
    ) -> None:
        """`prompt` is the name of the prompt, as of `Pack.prompt`."""
        self._packs = packs
        self._prompt = prompt
        self._build = build
        self._built: dict[tuple[str, Trial], AgentVersion] = {}

    def version(self, session_id: str, begun_with: str, trial: Trial) -> AgentVersion:
        """Return the version for a session.

        Raises:
            TrialInvalid: there is no such version or provider, or the prompt is invalid.
        """
        there = self._packs.packs
        version = trial.version or self._packs.version_for(session_id, begun_with)
        if version not in there:
            raise TrialInvalid(
                f'there is no version "{version}" of the PromptPack; there is {", ".join(there)}'
            )
        key = version, trial
        if key not in self._built:
            try:
                built = self._build(tried(there[version], self._prompt, trial))
            except ConfigurationError as error:
                raise TrialInvalid(error.message) from error
            if len(self._built) >= MAX_KEPT:
                del self._built[next(iter(self._built))]
            self._built[key] = structs.replace(built, variant=TRIAL_VARIANT)
        return self._built[key]


def tried(pack: Pack, name: str, trial: Trial) -> Pack:
    """Return a pack whose prompt has the provider and the template of a trial.

    Raises:
        ConfigurationError: the pack has no such prompt.
    """
    own = pack.prompt(name)
    prompt = structs.replace(own, provider=trial.provider or own.provider)
    if trial.system:
        # An override for the model would replace the template that is tried out.
        prompt = structs.replace(prompt, system_template=trial.system, model_overrides={})
    prompts = {key: prompt if each is own else each for key, each in pack.prompts.items()}
    return structs.replace(pack, prompts=prompts)
