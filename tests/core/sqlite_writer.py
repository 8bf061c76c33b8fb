"""A program that appends to sessions in a file, and prints what was confirmed.

Usage: python -m tests.core.sqlite_writer FILE WRITER COUNT SESSION SIZE
"""

import asyncio
import sys
from pathlib import Path

from omnia_core.sessions import AuditTrail, Message, SessionConflict
from omnia_core.sessions.audit import ProviderCall
from tests.core.session_beds import sqlite_store

CALL = ProviderCall("2026-01-01T00:00:00Z", "default", "m", "success", cost_usd=1.0)


async def main(file: str, writer: str, count: str, session_id: str, size: str) -> None:
    store = sqlite_store(Path(file))
    length, number = 0, 0
    while number < int(count):
        message = Message("user", f"{writer}-{number} " + "x" * int(size))
        audit = AuditTrail("completed", turns=1, turn_ms=1.0, provider_calls=(CALL,))
        try:
            length = await store.append(session_id, [message], expected_length=length, audit=audit)
        except SessionConflict:
            session = await store.load(session_id)
            length = session.length if session else 0
            continue
        print(f"{writer}-{number}", flush=True)  # noqa: T201 - a program
        number += 1
        if number % 3 == 0:
            await store.checkpoint(session_id, [message], expected_length=length)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
