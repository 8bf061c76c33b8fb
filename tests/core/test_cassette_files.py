"""Cassettes as files: what is read, and what is refused with its line."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnia_core.errors import ConfigurationError
from omnia_core.files.cassette import (
    CassetteFile,
    RecordedAnswer,
    RecordedCall,
    RecordedEnd,
    RecordedFailure,
    RecordedResult,
    RecordedText,
    RecordedTool,
    header_line,
    key_of,
    read_cassette,
    recording_line,
)

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECORDINGS = (
    RecordedTool("orders", "look_up", "Look up.", {"maximum": 2**80}),
    RecordedAnswer(
        {"model": "m", "messages": [{"role": "user", "content": "Où est A-1 ? 🚚"}]},
        (
            RecordedText(("Let ", "me see")),
            RecordedCall("1", "look_up", "{}"),
            RecordedEnd("tool_use"),
        ),
        "case-1",
        12.5,
    ),
    RecordedAnswer({"model": "m"}, (RecordedFailure("refused", 403),)),
    RecordedResult("look_up", {"id": "A-1"}, '{"date": "12 March"}', milliseconds=3.0),
)
DEEP = b'{"kind":"result","tool":"t","arguments":' + b"[" * 999 + b"\n"
GOOD = header_line(BEGUN) + b"".join(recording_line(each) for each in RECORDINGS)


def test_what_is_written_is_read_again() -> None:
    read = read_cassette(GOOD, "c.jsonl")
    assert read.header.recorded_at == BEGUN
    assert read.recordings[1:] == RECORDINGS[1:]
    assert b"\\u" not in GOOD


def test_a_line_that_a_killed_program_left_is_left_out() -> None:
    cut = GOOD + recording_line(RECORDINGS[3])[:-5]
    assert read_cassette(cut, "c.jsonl").recordings == read_cassette(GOOD, "c.jsonl").recordings


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "c.jsonl is no cassette: expected the first line"),
        (recording_line(RECORDINGS[3]), "c.jsonl is no cassette"),
        (GOOD + header_line(BEGUN), "c.jsonl:6: a second header"),
        (GOOD + b"{}\n", "c.jsonl:6: this is no recording: "),
        (GOOD + b'{"kind":"answer","request":{},"events":[]}\n', "c.jsonl:6: expected events of"),
        (GOOD + b"\xff\n", "c.jsonl:6: this is no recording: "),
        (GOOD + DEEP, "c.jsonl:6: nested"),
        (b'{"kind":"cassette","format":2,"recorded_at":"2026-01-01T00:00:00Z"}\n', "c.jsonl:1: "),
        (b'{"kind":"cassette","format":1,"recorded_at":"now"}\n', "c.jsonl:1: "),
        (header_line(BEGUN) + b"\n" * 100_001, "more than 100000 recordings"),
        (b" " * (64 * 1024 * 1024 + 1), "larger than 64 MiB"),
    ],
)
def test_what_is_no_cassette_is_told_with_its_line(content: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_cassette(content, "c.jsonl")


@given(st.data())
def test_a_changed_cassette_is_read_or_refused(data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(begin, min(begin + 40, len(GOOD))))
    new = data.draw(st.binary(max_size=8) | st.sampled_from([b"null", b"1e999", b"[", b'"', b"\n"]))
    refusal = ""
    try:
        read = read_cassette(GOOD[:begin] + new + GOOD[end:], "c.jsonl")
        assert isinstance(read, CassetteFile)
        for each in read.recordings:
            # Whatever is read can be written.
            assert recording_line(each).endswith(b"\n")
            assert key_of(each.request if isinstance(each, RecordedAnswer) else None)
    except ConfigurationError as refused:
        refusal = refused.message
    assert not refusal or refusal.startswith("c.jsonl")
