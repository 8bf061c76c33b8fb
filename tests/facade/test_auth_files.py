"""The chain as mounted files want it: who is let in, as whom, and how soon that changes."""

import hmac
import inspect
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from omnia_core import names
from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, Role
from omnia_core.http.head import joined_headers
from omnia_core.names import USER_ID_KEY
from omnia_facade.auth.chain import Authenticator, Unauthorized
from omnia_facade.auth.client_keys import ClientKey, ClientKeyValidator
from omnia_facade.auth.mounted import CHECK_SECONDS, MountedValidator
from omnia_facade.auth.principal import ANONYMOUS, Principal
from tests.facade.auth_files import AUDIENCE, Mounted, account, everything, management, oidc
from tests.facade.signing import Issuer, bearing, forged


class Guard:
    """An authenticator whose clock the test turns."""

    def __init__(self, mounted: Mounted) -> None:
        self.now = 0.0
        self._validators = MountedValidator(
            str(mounted.auth), str(mounted.secrets), clock=lambda: self.now
        )

    async def ask(self, headers: Mapping[str, str], *, open_to_all: bool = False) -> Principal:
        chain = Authenticator((self._validators,), allow_unauthenticated=open_to_all)
        return await chain.authenticate(headers)

    async def refused(self, headers: Mapping[str, str]) -> str:
        with pytest.raises(Unauthorized) as caught:
            await self.ask(headers)
        return str(caught.value)

    def later(self) -> None:
        self.now += CHECK_SECONDS


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return Mounted(tmp_path)


@pytest.fixture
def guard(mounted: Mounted) -> Guard:
    return Guard(mounted)


@pytest.fixture
def cluster() -> Issuer:
    return Issuer("https://kubernetes.default.svc").add("one")


@pytest.fixture
def provider() -> Issuer:
    return Issuer().add("p1")


async def test_without_files_nobody_is_let_in(guard: Guard) -> None:
    assert "no credential" in await guard.refused(bearing("anything"))
    assert await guard.ask({}, open_to_all=True) == ANONYMOUS


async def test_a_file_that_cannot_be_read_lets_nobody_in_not_even_into_an_open_agent(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.auth.write_text('{"oidc": {"issuer": 1}}')

    with pytest.raises(Unauthorized, match="cannot check credentials"):
        await guard.ask({}, open_to_all=True)


async def test_a_service_account_of_the_namespace_is_let_in(
    mounted: Mounted, guard: Guard, cluster: Issuer
) -> None:
    mounted.rules(AuthFile(management(cluster, "space", "ops")))

    subject = "system:serviceaccount:ops:chatter"
    assert await guard.ask(bearing(account(cluster, "one", namespace="ops"))) == Principal(
        subject, "management-plane", user_id=sha256(subject.encode()).hexdigest()[:16]
    )


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"namespace": "elsewhere"}, 'of the namespace "elsewhere" may not'),
        ({"namespace": "space2"}, 'of the namespace "space2" may not'),
        ({"aud": ["omnia://space/another"]}, f"another audience; expected {AUDIENCE}"),
        ({"aud": ["https://kubernetes.default.svc"]}, "no credential of a kind"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, 'no claim "exp"'),
        ({"sub": "mia"}, "not the token of a ServiceAccount"),
        ({"sub": "system:serviceaccount:space"}, "not the token of a ServiceAccount"),
        ({"sub": "system:serviceaccount:space:"}, "not the token of a ServiceAccount"),
        ({"iss": "https://issuer.example"}, "no credential of a kind"),
    ],
)
async def test_other_service_accounts_are_not_let_in(
    mounted: Mounted, guard: Guard, cluster: Issuer, claims: dict[str, Any], message: str
) -> None:
    mounted.rules(AuthFile(management(cluster)))

    assert message in await guard.refused(bearing(account(cluster, "one", **claims)))


async def test_the_name_of_a_node_is_no_service_account(
    mounted: Mounted, guard: Guard, cluster: Issuer
) -> None:
    mounted.rules(AuthFile(management(cluster, "system", "serviceaccount")))

    for subject in ("system:node:a", "system:serviceaccount", "serviceaccount:b"):
        token = account(cluster, "one", sub=subject)
        assert "not the token of a ServiceAccount" in await guard.refused(bearing(token))


async def test_a_cluster_may_be_an_openid_provider_too(
    mounted: Mounted, guard: Guard, cluster: Issuer
) -> None:
    mounted.rules(AuthFile(management(cluster), oidc=oidc(cluster)))

    assert (await guard.ask(bearing(account(cluster, "one")))).origin == "management-plane"
    assert (await guard.ask(bearing(cluster.sign("one")))).origin == "oidc"


async def test_a_client_key_is_let_in_as_what_its_secret_says(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.client_key("shop", "k3y", scopes='{"role": "admin", "plan": ["a", "b"], "n": 2}\n')
    mounted.client_key("other", "0ther", expiresAt="2100-01-01T00:00:00Z\n")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth(default_role=Role.EDITOR)))

    known = await guard.ask({**bearing("k3y"), "x-end-user-id": "mia"})
    assert (known.subject, known.origin, known.role) == ("shop", "client-key", "admin")
    assert known.claims == (("plan", "a,b"), ("n", "2"))
    assert known.end_user == ""
    assert (await guard.ask(bearing("0ther"))).role == "editor"


async def test_the_person_behind_a_key_is_believed_where_that_is_wanted(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.client_key("shop", "k3y")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth(trust_end_user_header=True)))

    mia = await guard.ask({**bearing("k3y"), "x-end-user-id": "mia"})
    ben = await guard.ask({**bearing("k3y"), "x-end-user-id": "ben"})

    assert (mia.subject, mia.end_user) == ("shop", "mia")
    assert mia.user_id == sha256(b"mia").hexdigest()[:16] != ben.user_id


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "the client key has expired"),
        ({"expiresAt": "tomorrow"}, "no credential of a kind"),
        ({"expiresAt": "2100-01-01T00:00:00"}, "no credential of a kind"),
        ({"scopes": "[]"}, "no credential of a kind"),
    ],
)
async def test_a_key_that_is_over_or_unclear_opens_nothing(
    mounted: Mounted, guard: Guard, more: dict[str, str], message: str
) -> None:
    mounted.client_key("shop", "k3y", **more)
    mounted.client_key("good", "g00d")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))

    assert message in await guard.refused(bearing("k3y"))
    assert (await guard.ask(bearing("g00d"))).subject == "good"


async def test_a_hash_of_another_length_is_no_key(mounted: Mounted, guard: Guard) -> None:
    (mounted.secrets / "shop.keyHash").write_text(sha256(b"k3y").hexdigest())
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))

    assert "no credential" in await guard.refused(bearing("k3y"))


async def test_a_request_without_a_token_is_not_the_key_of_an_empty_text(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.client_key("shop", "")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))

    assert "no credential" in await guard.refused({})


async def test_a_token_that_is_no_text_is_no_key(mounted: Mounted, guard: Guard) -> None:
    mounted.client_key("shop", "k3y")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))

    assert "no credential" in await guard.refused(bearing("\udcff"))


@pytest.mark.parametrize(
    ("part", "content", "reason"),
    [
        ("keyHash", b"k3y", "keyHash: expected the 32 raw bytes of a SHA-256, found 3"),
        ("scopes", b"[]", "scopes: expected a JSON object"),
        ("expiresAt", b"tomorrow", "expiresAt: expected a time such as"),
        ("expiresAt", b"2100-01-01T00:00:00", "expiresAt: expected a time such as"),
    ],
)
async def test_the_log_says_why_a_key_is_ignored(
    mounted: Mounted, guard: Guard, part: str, content: bytes, reason: str
) -> None:
    mounted.client_key("shop", "k3y")
    (mounted.secrets / f"shop.{part}").write_bytes(content)
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))

    with capture_logs() as logs:
        await guard.refused(bearing("k3y"))

    (ignored,) = [line for line in logs if line["event"] == "client key ignored"]
    assert ignored["secret"] == "shop"
    assert ignored["reason"].startswith(reason)


async def test_every_key_is_compared_in_constant_time() -> None:
    compared: list[bytes] = []

    def same(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return hmac.compare_digest(one, other)

    keys = [ClientKey(f"key{each}", sha256(b"%d" % each).digest(), {}) for each in range(5)]
    validator = ClientKeyValidator(ClientKeyAuth(), keys, same)

    known = await validator.validate(bearing("0"))
    assert known
    assert known.subject == "key0"
    assert compared == [key.digest for key in keys]
    assert await validator.validate(bearing("unknown")) is None
    assert compared == [key.digest for key in keys] * 2
    default = inspect.signature(ClientKeyValidator).parameters["same"].default
    assert default is hmac.compare_digest


async def test_a_key_counts_from_when_it_is_mounted_until_it_is_withdrawn(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    await guard.refused(bearing("k3y"))

    mounted.client_key("shop", "k3y")
    guard.later()
    assert (await guard.ask(bearing("k3y"))).subject == "shop"

    mounted.withdraw("shop")
    guard.later()
    assert "no credential" in await guard.refused(bearing("k3y"))


async def test_the_files_are_not_looked_at_for_every_request(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.client_key("shop", "k3y")
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    await guard.ask(bearing("k3y"))

    mounted.withdraw("shop")

    guard.now += 1.9
    assert (await guard.ask(bearing("k3y"))).subject == "shop"
    # A key that was withdrawn works for two seconds at most.
    guard.now += 0.1
    assert "no credential" in await guard.refused(bearing("k3y"))


async def test_a_changed_file_is_looked_at_again_after_the_next_interval(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    for number in range(3):
        mounted.client_key(f"shop{number}", f"k3y{number}")
        guard.later()
        assert (await guard.ask(bearing(f"k3y{number}"))).subject == f"shop{number}"


async def test_rotated_keys_of_an_issuer_are_used_without_a_restart(
    mounted: Mounted, guard: Guard, provider: Issuer
) -> None:
    mounted.rules(AuthFile(oidc=oidc(provider)))
    old = provider.sign("p1")
    assert (await guard.ask(bearing(old))).subject == "mia"

    provider.keys.clear()
    provider.add("p2", "RS256")
    mounted.rules(AuthFile(oidc=oidc(provider)))
    guard.later()

    assert "has no key with its key id" in await guard.refused(bearing(old))
    assert (await guard.ask(bearing(provider.sign("p2")))).subject == "mia"


async def test_claims_of_a_provider_are_mapped(
    mounted: Mounted, guard: Guard, provider: Issuer
) -> None:
    rules = oidc(
        provider,
        subject="client_id",
        end_user="email",
        role="realm_access.role",
        claims=("groups", "https://example.com/tier", "absent", "verified", "trial"),
    )
    mounted.rules(AuthFile(oidc=rules))
    token = provider.sign(
        "p1",
        client_id="shop",
        email="mia@example.com",
        realm_access={"role": "editor"},
        groups=["a", "b"],
        verified=True,
        trial=False,
        **{"https://example.com/tier": 3},
    )

    known = await guard.ask(bearing(token))

    assert (known.subject, known.origin, known.role) == ("shop", "oidc", "editor")
    assert known.claims == (
        ("groups", "a,b"),
        ("https://example.com/tier", "3"),
        ("verified", "true"),
        ("trial", "false"),
    )
    assert known.user_id == sha256(b"mia@example.com").hexdigest()[:16]
    assert 'no claim "client_id"' in await guard.refused(bearing(provider.sign("p1")))


EDGE = EdgeTrust("x-user-id", email="x-user-email", role="x-role", claims={"team": "x-team"})


async def test_headers_of_the_edge_are_believed_only_where_that_is_wanted(
    mounted: Mounted, guard: Guard
) -> None:
    headers = {"x-user-id": "mia", "x-user-email": "mia@example.com", "x-team": "blue"}
    mounted.rules(AuthFile(client_keys=ClientKeyAuth()))
    assert "no credential" in await guard.refused({**headers, "x-omnia-user-id": "mia"})

    mounted.rules(AuthFile(edge_trust=EDGE))
    guard.later()

    known = await guard.ask({**headers, "x-omnia-user-id": "eve"})
    assert (known.subject, known.origin, known.email) == ("mia", "edge-trust", "mia@example.com")
    assert known.claims == (("team", "blue"),)
    assert known.user_id == sha256(b"mia").hexdigest()[:16]


async def test_a_header_that_a_client_has_doubled_is_not_believed(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.rules(AuthFile(edge_trust=EDGE))

    assert "x-user-id came more than once" in await guard.refused({"x-user-id": "eve, mia"})
    assert "x-role came more than once" in await guard.refused(
        {"x-user-id": "mia", "x-role": "admin, viewer"}
    )
    fields = [("x-user-id", "mia"), ("x-team", "blue"), ("x-team", "admins")]
    assert "x-team came more than once" in await guard.refused(joined_headers(fields))


async def test_a_claim_may_be_a_list(mounted: Mounted, guard: Guard) -> None:
    mounted.rules(AuthFile(edge_trust=EDGE))

    fields = [("x-user-id", "mia"), ("x-team", "blue, red"), ("accept", "a"), ("accept", "b")]
    assert (await guard.ask(joined_headers(fields))).claims == (("team", "blue, red"),)


async def test_a_name_that_is_no_text_is_a_name_all_the_same(
    mounted: Mounted, guard: Guard
) -> None:
    mounted.rules(AuthFile(edge_trust=EDGE))

    assert len((await guard.ask({"x-user-id": "\udcff"})).user_id) == 16


@pytest.mark.parametrize("key", [b"", None])
async def test_without_the_key_of_user_ids_nobody_is_let_in(
    mounted: Mounted, guard: Guard, key: bytes | None
) -> None:
    mounted.rules(AuthFile(edge_trust=EDGE, keyed_user_ids=True))
    if key is not None:
        (mounted.secrets / names.USER_ID_KEY).write_bytes(key)

    with capture_logs() as logs:
        assert "cannot check credentials" in await guard.refused({"x-user-id": "mia"})
    assert [line["reason"] for line in logs] == [f"{mounted.secrets} lacks {names.USER_ID_KEY}"]


async def test_with_a_key_user_ids_cannot_be_guessed(mounted: Mounted, guard: Guard) -> None:
    mounted.rules(AuthFile(edge_trust=EDGE, keyed_user_ids=True))
    assert "cannot check credentials" in await guard.refused({"x-user-id": "mia"})

    (mounted.secrets / USER_ID_KEY).write_bytes(b"secret")
    guard.later()

    expected = hmac.new(b"secret", b"mia", sha256).hexdigest()[:16]
    assert (await guard.ask({"x-user-id": "mia"})).user_id == expected


async def test_the_first_that_knows_the_kind_decides(
    mounted: Mounted, guard: Guard, cluster: Issuer, provider: Issuer
) -> None:
    mounted.client_key("shop", "k3y")
    mounted.rules(everything(cluster, provider))
    edge = {"x-user-id": "mia"}

    async def origin(token: str) -> str:
        return (await guard.ask({**bearing(token), **edge})).origin

    assert await origin(account(cluster, "one")) == "management-plane"
    assert await origin("k3y") == "client-key"
    assert await origin(provider.sign("p1")) == "oidc"
    assert await origin("of nobody here") == "edge-trust"
    assert await origin(Issuer("https://other.example").add("x").sign("x")) == "edge-trust"
    # A credential that is wrong is not made good by the next in the chain.
    for wrong in (
        account(cluster, "one", exp=1),
        provider.sign("p1", exp=1),
        forged({"alg": "none"}, provider.claims("agent")),
    ):
        with pytest.raises(Unauthorized):
            await origin(wrong)


async def test_who_has_no_credential_is_told_which_there_are(
    mounted: Mounted, guard: Guard, cluster: Issuer, provider: Issuer
) -> None:
    mounted.rules(everything(cluster, provider))

    told = await guard.refused({})

    assert "token for the audience omnia://space/agent; a client key; a token of" in told


async def test_a_star_lets_service_accounts_of_every_namespace_in(
    mounted: Mounted, guard: Guard, cluster: Issuer
) -> None:
    mounted.rules(AuthFile(management(cluster, "space", "*")))
    found = await guard.ask(bearing(account(cluster, "one", namespace="anywhere")))
    assert found.subject == "system:serviceaccount:anywhere:chatter"
