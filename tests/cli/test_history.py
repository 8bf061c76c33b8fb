"""What `omnia sessions` says of an address or a token that cannot be used."""

import pytest

from omnia_cli.history import HistoryClient, HistoryFailed


@pytest.mark.parametrize("url", ["http://[::1", "http://h:many", "localhost:8090", "https://"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(HistoryFailed, match="expected http://host"):
        HistoryClient(url, None).session("s")


@pytest.mark.parametrize("token", ["s3cret\n", "s3crét"])
def test_a_token_that_is_none_is_told_and_not_shown(token: str) -> None:
    with pytest.raises(HistoryFailed, match="printable ASCII") as refused:
        HistoryClient("http://127.0.0.1:1", token).session("s")
    assert "s3cr" not in str(refused.value)
