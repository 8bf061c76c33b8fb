"""A program that prints its process id, and waits for the end of its input."""

import os
import sys

print(os.getpid(), flush=True)  # noqa: T201 - for the test
sys.stdin.read()
