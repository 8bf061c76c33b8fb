"""The weights of a rollout in VirtualServices, DestinationRules and HTTPRoutes: pure decisions."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.jsonvalue import JsonObject
from omnia_operator import labels
from omnia_operator.rollout.gateway import http_route_weights
from omnia_operator.rollout.istio import (
    ServiceHost,
    candidate_subsets,
    destination_rule_subsets,
    virtual_service_weights,
)
from omnia_operator.rollout.traffic import (
    NOT_READABLE,
    ROUTE_INVALID,
    SUBSET_INVALID,
    WEIGHTS_INVALID,
    WeightDecision,
)
from tests.operator.cluster import patched

HOST = ServiceHost("default", "helper")


def to(subset: str, weight: int | None = None, host: str = "helper") -> JsonObject:
    made: JsonObject = {"destination": {"host": host, "subset": subset}}
    return made if weight is None else {**made, "weight": weight}


def virtual_service(*routes: tuple[str, list[JsonObject]]) -> JsonObject:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop"},
        "spec": {
            "hosts": ["helper"],
            "http": [{"name": name, "route": destinations} for name, destinations in routes],
        },
    }


def destination_rule(*subsets: JsonObject, host: str = "helper") -> JsonObject:
    spec: JsonObject = {"host": host, **({"subsets": list(subsets)} if subsets else {})}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "shop"},
        "spec": spec,
    }


def backend(name: str, weight: int | None = None, **more: Any) -> JsonObject:
    made: JsonObject = {"name": name, "port": 8080, **more}
    return made if weight is None else {**made, "weight": weight}


def http_route(*rules: list[JsonObject]) -> JsonObject:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop"},
        "spec": {"rules": [{"backendRefs": backends} for backends in rules]},
    }


def istio(document: JsonObject, weight: int, *routes: str) -> WeightDecision:
    return virtual_service_weights(document, routes or ("primary",), HOST, weight)


def gateway(document: JsonObject, weight: int) -> WeightDecision:
    return http_route_weights(document, "default", "helper", weight, 8080)


def weights(document: JsonObject) -> list[list[int | None]]:
    spec = document["spec"]
    if document["kind"] == "VirtualService":
        return [[each.get("weight") for each in route["route"]] for route in spec["http"]]
    return [[each.get("weight") for each in rule["backendRefs"]] for rule in spec["rules"]]


# A VirtualService, the routes to manage, the wanted weight, and the weights afterwards.
SERVICES = {
    "the two destinations": (
        virtual_service(("primary", [to("stable", 100), to("candidate", 0)])),
        ("primary",),
        10,
        [[90, 10]],
    ),
    "the name canary, in another order": (
        virtual_service(("primary", [to("canary", 0), to("stable", 100)])),
        ("primary",),
        25,
        [[25, 75]],
    ),
    "weights that are missing": (
        virtual_service(("primary", [to("stable"), to("candidate")])),
        ("primary",),
        10,
        [[90, 10]],
    ),
    "a missing weight of the candidate is 0 already": (
        virtual_service(("primary", [to("stable", 100), to("candidate")])),
        ("primary",),
        0,
        [[100, None]],
    ),
    "another destination keeps its weight": (
        virtual_service(("primary", [to("stable", 95), to("candidate", 0), to("old", 5)])),
        ("primary",),
        50,
        [[45, 50, 5]],
    ),
    "another host has the same subsets": (
        virtual_service(
            ("primary", [to("stable", 90), to("candidate", 0), to("stable", 10, host="mirror")])
        ),
        ("primary",),
        20,
        [[70, 20, 10]],
    ),
    "other routes stay": (
        virtual_service(
            ("other", [to("stable", 1), to("candidate", 99)]),
            ("primary", [to("stable", 100), to("candidate", 0)]),
        ),
        ("primary",),
        10,
        [[1, 99], [90, 10]],
    ),
    "several routes, also with one name": (
        virtual_service(
            ("primary", [to("stable", 100), to("candidate", 0)]),
            ("admin", [to("stable", 0), to("candidate", 100)]),
            ("primary", [to("candidate", 10), to("stable", 90)]),
        ),
        ("primary", "admin"),
        10,
        [[90, 10], [90, 10], [10, 90]],
    ),
    "somebody changed one of the two": (
        virtual_service(("primary", [to("stable", 90), to("candidate", 60)])),
        ("primary",),
        10,
        [[90, 10]],
    ),
    "the longer names of the host": (
        virtual_service(
            (
                "primary",
                [
                    to("stable", 100, host="helper.default.svc.cluster.local"),
                    to("candidate", 0, host="helper.default"),
                ],
            )
        ),
        ("primary",),
        10,
        [[90, 10]],
    ),
}


@pytest.mark.parametrize(("document", "routes", "weight", "after"), SERVICES.values(), ids=SERVICES)
def test_a_virtual_service_gets_its_weights(
    document: JsonObject, routes: tuple[str, ...], weight: int, after: list[list[int | None]]
) -> None:
    decided = istio(document, weight, *routes)
    assert decided.problems == ()
    assert decided.drained is (weight == 0)
    made = patched(document, decided.operations)
    assert weights(made) == after
    assert istio(made, weight, *routes).operations == ()


def test_a_patch_tests_the_names_and_replaces_the_weights_that_differ() -> None:
    document = virtual_service(
        ("other", []), ("primary", [to("stable", 90), to("candidate", 5), to("old", 5)])
    )
    assert istio(document, 10).operations == (
        {"op": "test", "path": "/spec/http/1/name", "value": "primary"},
        {"op": "test", "path": "/spec/http/1/route/0/destination/subset", "value": "stable"},
        {"op": "replace", "path": "/spec/http/1/route/0/weight", "value": 85},
        {"op": "test", "path": "/spec/http/1/route/1/destination/subset", "value": "candidate"},
        {"op": "replace", "path": "/spec/http/1/route/1/weight", "value": 10},
    )
    (named, _, only) = istio(
        virtual_service(("primary", [to("stable", 90), to("candidate")])), 10
    ).operations
    assert named["op"] == "test"
    assert only == {"op": "add", "path": "/spec/http/0/route/1/weight", "value": 10}


# A VirtualService, its problem, and what the message tells to add or to change.
BROKEN = {
    "no route": (
        virtual_service(("other", [to("stable", 100), to("candidate", 0)])),
        ROUTE_INVALID,
        (
            "add it below spec.http: - {name: primary, route: [{destination: {host: helper, subset:"
            " stable}, weight: 100}, {destination: {host: helper, subset: candidate}, weight: 0}]}"
        ),
    ),
    "no candidate": (
        virtual_service(("primary", [to("stable", 100)])),
        ROUTE_INVALID,
        "add at /spec/http/0/route: - {destination: {host: helper, subset: candidate}, weight: 0}",
    ),
    "no stable": (
        virtual_service(("primary", [to("candidate", 0), to("v1", 100)])),
        ROUTE_INVALID,
        "add at /spec/http/0/route: - {destination: {host: helper, subset: stable}, weight: 100}",
    ),
    "two candidates": (
        virtual_service(("primary", [to("stable", 100), to("candidate", 0), to("canary", 0)])),
        ROUTE_INVALID,
        "has 2 destinations with the subset candidate or canary",
    ),
    "another host": (
        virtual_service(
            ("primary", [to("stable", 100, host="shop"), to("candidate", 0, host="shop")])
        ),
        ROUTE_INVALID,
        "of the host helper, expected one",
    ),
    "a sum of more than 100": (
        virtual_service(("primary", [to("stable", 100), to("candidate", 0), to("old", 5)])),
        WEIGHTS_INVALID,
        "the weights are 105 in sum, expected 100: set weight: 95 at /spec/http/0/route/0",
    ),
    "others with nearly everything": (
        virtual_service(("primary", [to("stable", 5), to("candidate", 0), to("old", 95)])),
        WEIGHTS_INVALID,
        "the other destinations have 95 %, which leaves less than 10 %",
    ),
    "no routes at all": (virtual_service(), ROUTE_INVALID, "has no route primary"),
    "a weight that is text": (
        virtual_service(("primary", [{"destination": {"host": "helper"}, "weight": "much"}])),
        NOT_READABLE,
        "VirtualService shop cannot be read",
    ),
    "no spec": ({**virtual_service(), "spec": None}, ROUTE_INVALID, "has no route primary"),
}


@pytest.mark.parametrize(("document", "reason", "said"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_with_a_virtual_service_is_told_with_the_line_to_add(
    document: JsonObject, reason: str, said: str
) -> None:
    decided = istio(document, 10)
    assert decided.operations == ()
    (problem, *_) = decided.problems
    assert problem.reason == reason
    assert said in problem.message


def test_a_rollback_takes_the_candidate_out_of_a_route_whose_sum_is_wrong() -> None:
    document = virtual_service(("primary", [to("stable", 90), to("candidate", 30), to("old", 5)]))
    assert not istio(document, 10).drained
    decided = istio(document, 0)
    assert decided.problems[0].reason == WEIGHTS_INVALID
    made = patched(document, decided.operations)
    assert weights(made) == [[90, 0, 5]]
    assert decided.drained
    assert istio(made, 0).operations == ()


def test_missing_subsets_are_added_and_present_ones_untouched() -> None:
    own = {
        "name": "stable",
        "labels": {labels.TRACK: "stable", "region": "eu"},
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
    }
    foreign = {"name": "v1", "labels": {"version": "v1"}}
    document = destination_rule(own, foreign)
    decided = destination_rule_subsets(document, ("candidate", "canary"), HOST)
    made = patched(document, decided.operations)
    assert made["spec"]["subsets"] == [
        own,
        foreign,
        {"name": "candidate", "labels": {labels.VARIANT: "candidate"}},
        {"name": "canary", "labels": {labels.VARIANT: "candidate"}},
    ]
    assert destination_rule_subsets(made, ("candidate", "canary"), HOST) == WeightDecision()
    assert decided.operations[0]["op"] == "test", "nobody adds the same ones meanwhile"

    bare = destination_rule()
    first = destination_rule_subsets(bare, ("candidate",), HOST)
    made = patched(bare, first.operations)
    assert [each["name"] for each in made["spec"]["subsets"]] == ["stable", "candidate"]
    assert destination_rule_subsets(made, ("candidate",), HOST).operations == ()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (destination_rule(host="shop"), "set spec.host: helper"),
        (
            destination_rule({"name": "stable", "labels": {labels.TRACK: "canary"}}),
            f"set its labels to {{{labels.VARIANT}: stable}}",
        ),
        (
            destination_rule({"name": "candidate", "labels": {labels.AGENT_NAME: "helper"}}),
            "no label that tells the sides apart",
        ),
        (destination_rule({"name": "stable"}), "no label that tells the sides apart"),
    ],
)
def test_a_subset_without_the_pods_of_its_side_is_a_problem(
    document: JsonObject, said: str
) -> None:
    decided = destination_rule_subsets(document, ("candidate",), HOST)
    (problem,) = decided.problems
    assert problem.reason == SUBSET_INVALID
    assert said in problem.message


def test_the_candidate_has_the_subsets_that_the_routes_name() -> None:
    assert candidate_subsets(None, HOST) == ("candidate",)
    assert candidate_subsets(virtual_service(("a", [to("canary")])), HOST) == ("canary",)
    both = virtual_service(("a", [to("canary")]), ("b", [to("candidate")]))
    assert candidate_subsets(both, HOST) == ("candidate", "canary")
    foreign = virtual_service(("a", [to("canary", host="shop")]))
    assert candidate_subsets(foreign, HOST) == ("candidate",)


# An HTTPRoute, the wanted weight, and the weights afterwards.
ROUTES = {
    "the two backends": (
        http_route([backend("helper", 100), backend("helper-candidate", 0)]),
        10,
        [[90, 10]],
    ),
    "weights of 1 are those of the API server": (
        http_route([backend("helper", 1), backend("helper-candidate", 1)]),
        0,
        [[100, 0]],
    ),
    "missing weights are 1": (
        http_route([backend("helper"), backend("helper-candidate")]),
        1,
        [[99, None]],
    ),
    "rules without the candidate stay": (
        http_route(
            [backend("helper", 1)],
            [backend("helper-candidate", 0), backend("helper", 100)],
            [backend("shop", 7)],
        ),
        50,
        [[1], [50, 50], [7]],
    ),
    "another backend keeps its weight": (
        http_route([backend("helper", 80), backend("helper-candidate", 0), backend("old", 20)]),
        30,
        [[50, 30, 20]],
    ),
    "the same name in another namespace is another backend": (
        http_route(
            [
                backend("helper", 90),
                backend("helper-candidate", 0),
                backend("helper", 10, namespace="other"),
            ]
        ),
        10,
        [[80, 10, 10]],
    ),
}


@pytest.mark.parametrize(("document", "weight", "after"), ROUTES.values(), ids=ROUTES)
def test_an_http_route_gets_its_weights(
    document: JsonObject, weight: int, after: list[list[int | None]]
) -> None:
    decided = gateway(document, weight)
    assert decided.problems == ()
    made = patched(document, decided.operations)
    assert weights(made) == after
    assert gateway(made, weight).operations == ()


@pytest.mark.parametrize(
    ("document", "reason", "said"),
    [
        (
            http_route([backend("helper", 1)]),
            ROUTE_INVALID,
            (
                "add it to backendRefs of the rule with the Service helper: - {name:"
                " helper-candidate, port: 8080, weight: 0}"
            ),
        ),
        (
            http_route([backend("helper-candidate", 1)]),
            ROUTE_INVALID,
            "/spec/rules/0 of HTTPRoute shop has 0 backends with the Service helper of stable",
        ),
        (
            http_route([backend("helper", 1), backend("helper-candidate", 0), backend("a", 1)]),
            WEIGHTS_INVALID,
            "the weights are 2 in sum, expected 100: set weight: 99 at /spec/rules/0/backendRefs/0",
        ),
        ({**http_route(), "spec": {"rules": "none"}}, NOT_READABLE, "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_http_route_is_told_with_the_line_to_add(
    document: JsonObject, reason: str, said: str
) -> None:
    decided = gateway(document, 10)
    assert decided.operations == ()
    (problem, *_) = decided.problems
    assert problem.reason == reason
    assert said in problem.message


OTHERS = st.lists(st.tuples(st.just("old"), st.integers(0, 40)), max_size=3)
ANY = st.one_of(st.none(), st.integers(0, 200))


@given(data=st.data(), stable=ANY, candidate=ANY, others=OTHERS, wanted=st.integers(0, 100))
@pytest.mark.parametrize("kind", ["VirtualService", "HTTPRoute"])
def test_any_weights_are_split_once_or_told(
    kind: str,
    data: st.DataObject,
    stable: int | None,
    candidate: int | None,
    others: list[tuple[str, int]],
    wanted: int,
) -> None:
    rest = sum(weight for _, weight in others)
    fits = data.draw(st.booleans())
    if fits and rest <= 100:
        stable, candidate = 100 - rest, 0
    names = {"VirtualService": ("stable", "candidate"), "HTTPRoute": ("helper", "helper-candidate")}
    given_weights = [*zip(names[kind], (stable, candidate), strict=True), *others]
    order = data.draw(st.permutations(given_weights))
    if kind == "VirtualService":
        document = virtual_service(("primary", [to(name, weight) for name, weight in order]))
        unset = 0
    else:
        document = http_route([backend(name, weight) for name, weight in order])
        unset = 1
    decide: Callable[[JsonObject, int], WeightDecision]
    decide = istio if kind == "VirtualService" else gateway
    before = copy.deepcopy(document)
    decided = decide(document, wanted)
    made = patched(document, decided.operations)
    assert document == before
    (found,) = weights(made)
    after = {
        name: unset if weight is None else weight
        for (name, _), weight in zip(order, found, strict=True)
        if name != "old"
    }
    kept = [weight for (name, _), weight in zip(order, found, strict=True) if name == "old"]
    assert kept == [weight for name, weight in order if name == "old"], "others are left alone"
    own_stable, own_candidate = (after[name] for name in names[kind])
    if decided.problems:
        assert others
        assert decided.drained is (own_candidate == 0)
    else:
        assert (own_stable, own_candidate) == (100 - rest - wanted, wanted)
    again = decide(made, wanted)
    assert again.operations == ()
    assert (again.problems == ()) or decided.problems


DEEP = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["http", "route", "name", "weight", "destination", "rules", "subsets"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)


@given(spec=DEEP, weight=st.integers(0, 100))
def test_a_document_of_any_shape_is_a_problem_and_no_error(spec: Any, weight: int) -> None:
    document: JsonObject = {"metadata": {"name": "shop"}, "spec": spec}
    for decided in (
        istio(document, weight),
        gateway(document, weight),
        destination_rule_subsets(document, ("candidate",), HOST),
    ):
        assert decided.problems
