"""The version of a release, as its tag in git, its image tags, its chart and its wheel have it."""

import re

from packaging.version import InvalidVersion, Version

from tests.cluster.harness.errors import HarnessError

# Semantic Versioning 2.0.0 without build metadata, because a "+" cannot be in the tag of an image.
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][\dA-Za-z-]*))*)?",
    re.ASCII,
)
_LONGEST = 100  # an image tag may have 128 characters, and a platform is added to it


def parse(text: str) -> str:
    """Return the version.

    Raises:
        HarnessError: it is none that images, chart and wheel can all have.
    """
    if len(text) > _LONGEST or not _SEMVER.fullmatch(text):
        raise HarnessError(
            f'VERSION is "{text}": expected a version such as 1.2.3 or 1.2.3-rc.1, without a "v" '
            'in front and without a "+"; run: make release VERSION=1.2.3'
        )
    try:
        Version(text)
    except InvalidVersion as error:
        raise HarnessError(
            f'VERSION is "{text}", which a Python package cannot have: after the "-" use '
            "alpha, beta or rc and a number, such as 1.2.3-rc.1"
        ) from error
    return text
