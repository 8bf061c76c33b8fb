"""Remembers what checks of documents found, by the digest of the document.

The operator reads a resource at each of its reconciliations, but its content only when it changes.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

_MOST = 4096


def by_digest(check: Callable[[str, str], str]) -> Callable[[str, str], str]:
    """Return a check that looks at a text only once.

    Args:
        check: takes a text and the subject of its messages; returns a sentence, or "".
    """
    found: OrderedDict[bytes, str] = OrderedDict()
    lock = threading.Lock()

    def remembered(text: str, subject: str) -> str:
        # A text may contain half of a surrogate pair.
        parts = (part.encode("utf-8", "surrogatepass") for part in (subject, text))
        key = hashlib.sha256(b"\0".join(parts)).digest()
        with lock:
            if key in found:
                found.move_to_end(key)
                return found[key]
        verdict = check(text, subject)
        with lock:
            found[key] = verdict
            if len(found) > _MOST:
                found.popitem(last=False)
        return verdict

    return remembered
