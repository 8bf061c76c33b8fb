"""The evaluations that an agent's pack declares, and their judges; pure."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from omnia_core.errors import ConfigurationError
from omnia_core.files.evals import evals_of, read_evals
from omnia_core.files.evals.rules import Judged, Similar
from omnia_core.files.pack import DEFAULT_PROMPT, parse_pack
from omnia_operator.resolve.verdicts import by_digest


class DeclaredEvals(Struct, frozen=True):
    """The evaluations of the versions of a pack that are in use.

    Attributes:
        light: ids of those that are run after a turn and need only its text.
        others: ids of those that ask a model or another server, or are about complete sessions.
        providers: the names of the Providers that they ask, each with the ids of those that ask it.
        problems: what is wrong with those that are not run.
    """

    light: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    providers: Mapping[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


def declared_evals(texts: Iterable[str]) -> DeclaredEvals:
    """Return the evaluations of the versions of a pack, given as JSON text."""
    found = [msgspec.json.decode(_declared(text, ""), type=DeclaredEvals) for text in texts]
    providers: dict[str, tuple[str, ...]] = {}
    for each in found:
        for name, ids in each.providers.items():
            providers[name] = _union(providers.get(name, ()), ids)
    return DeclaredEvals(
        light=_union(*(each.light for each in found)),
        others=_union(*(each.others for each in found)),
        providers=providers,
        problems=_union(*(each.problems for each in found)),
    )


@by_digest
def _declared(text: str, subject: str) -> str:
    try:
        pack = parse_pack(text, subject)
        specs, problems = read_evals(evals_of(pack, pack.prompt(DEFAULT_PROMPT)))
    except ConfigurationError:
        # The resolution of packs reports it.
        return msgspec.json.encode(DeclaredEvals()).decode()
    providers: dict[str, tuple[str, ...]] = {}
    for spec in specs:
        asked = (
            spec.rule.judge
            if isinstance(spec.rule, Judged)
            else spec.rule.provider
            if isinstance(spec.rule, Similar)
            else ""
        )
        if asked:
            providers[asked] = _union(providers.get(asked, ()), (spec.id,))
    others = tuple(spec.id for spec in specs if spec.extended or spec.session)
    return msgspec.json.encode(
        DeclaredEvals(
            light=tuple(spec.id for spec in specs if spec.id not in others),
            others=others,
            providers=providers,
            problems=tuple(problems),
        )
    ).decode()


def _union(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for group in groups for each in group))
