"""Durations and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.units import ByteSize, Duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("24h", 86_400_000), ("1h30m", 5_400_000), ("500ms", 500), ("1.5s", 1500), ("0s", 0)],
)
def test_a_duration_is_read_as_go_writes_it(text: str, milliseconds: int) -> None:
    assert Duration.parse(text).milliseconds == milliseconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "-1s", "1d", "1h,", "1h\n"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "30s"'):
        Duration.parse(text)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_reads_what_it_writes(milliseconds: int) -> None:
    assert Duration.parse(str(Duration(milliseconds))).milliseconds == milliseconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("10Mi", 10 << 20), ("512k", 512_000), ("1.5Gi", 3 << 29), ("0", 0), ("7", 7)],
)
def test_a_size_is_a_kubernetes_quantity(text: str, count: int) -> None:
    assert ByteSize.parse(text).count == count


@pytest.mark.parametrize("text", ["", "10MB", "10 Mi", "1.5", "-1", "Mi", "1Mi\n"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        ByteSize.parse(text)


@given(st.integers(min_value=0, max_value=1 << 60))
def test_a_size_reads_what_it_writes(count: int) -> None:
    assert ByteSize.parse(str(ByteSize(count))).count == count
