"""Runs a program whose sessions in memory come with audit trails: `-m benchmarks.with_trail NAME`.

No setting does that, because nothing could read them. The trail is made and encoded, as it is for
a database, and then dropped.
"""

import runpy
import sys
from collections.abc import Sequence

import msgspec

from omnia_core.sessions import memory
from omnia_core.sessions.audit import AuditTrail
from omnia_core.sessions.records import Message

_encoder = msgspec.json.Encoder()


class StoreWithTrail(memory.MemorySessionStore):
    """A store in memory that is given the audit trail, and encodes what it is given."""

    keeps_audit = True

    async def append(
        self,
        session_id: str,
        messages: Sequence[Message],
        *,
        expected_length: int,
        audit: AuditTrail | None = None,
    ) -> int:
        for each in (*messages, audit):
            _encoder.encode(each)
        return await super().append(
            session_id, messages, expected_length=expected_length, audit=audit
        )


memory.MemorySessionStore = StoreWithTrail  # type: ignore[misc]

if __name__ == "__main__":
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
