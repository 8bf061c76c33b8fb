"""What a prompt is for one model."""

from msgspec import structs

from omnia_core.files.pack.prompt import Parameters, Prompt


def for_model(prompt: Prompt, model: str) -> Prompt:
    """Apply the prompt's override for a model, if it has one of exactly that name.

    Prefix and suffix stand around the template or its replacement; parameters that the override
    sets win, the others stay.
    """
    override = prompt.model_overrides.get(model)
    if override is None:
        return prompt
    template = override.system_template or prompt.system_template
    return structs.replace(
        prompt,
        system_template=(
            override.system_template_prefix + template + override.system_template_suffix
        ),
        parameters=_merged(prompt.parameters or Parameters(), override.parameters or Parameters()),
    )


def _merged(own: Parameters, override: Parameters) -> Parameters:
    changes = {key: value for key, value in structs.asdict(override).items() if value is not None}
    return structs.replace(own, **changes)
