"""Which Host headers a port of this machine serves."""

import pytest

from omnia_core.http.hosts import HostRule

OURS = ["", "localhost", "LOCALHOST:1", "agent.localhost.", "127.8.9.10:80", "[::1]:80"]
FOREIGN = ["evil.example", "127.0.0.1.evil.example:80", "localhost@evil.example", "[", "10.0.0.1"]


def test_a_local_port_serves_this_machine_in_whatever_order_it_is_asked() -> None:
    rule = HostRule("127.0.0.1")
    for _ in range(2):
        assert [host for host in (*OURS, *FOREIGN) if rule.allows(host)] == OURS


def test_the_hosts_of_allowed_origins_are_served_as_well() -> None:
    rule = HostRule("localhost", ["https://App.example:8443"])
    assert rule.allows("app.example:8443")
    assert not rule.allows("app.example")
    assert HostRule("::1", ["*"]).allows("evil.example")


@pytest.mark.parametrize("bind_address", [None, "", "0.0.0.0", "10.0.0.7"])
def test_a_port_that_other_machines_reach_serves_every_host(bind_address: str | None) -> None:
    assert all(HostRule(bind_address).allows(host) for host in (*OURS, *FOREIGN))
