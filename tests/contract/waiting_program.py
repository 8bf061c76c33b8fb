"""A program that prints its process id, and waits for the end of its input."""

import os
import sys

if __name__ == "__main__":
    print(os.getpid(), flush=True)  # noqa: T201 - for the test
    sys.stdin.read()
