"""Where the files of a release come from: an in-toto statement with SLSA's predicate."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from omnia_core.jsonvalue import JsonObject
from release.source import Source

# https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://omnia.altairalabs.ai/build/make-release/v1"
# Who answers for a build that no service ran.
UNNAMED_BUILDER = "https://omnia.altairalabs.ai/build/unnamed"


def statement(
    source: Source,
    digests: Mapping[str, str],
    bases: Mapping[str, str],
    *,
    platforms: Sequence[str],
    builder: str,
    seconds: tuple[float, float],
) -> JsonObject:
    """Return the statement about files and images.

    Args:
        source: what was built.
        digests: the SHA-256 of each file by its name, and of each image's index by its name.
        bases: the SHA-256 of the base image's configuration by its name and platform.
        platforms: those of the images, such as linux/amd64.
        builder: a URI for who ran the build, "" where nobody is named.
        seconds: when the build began and ended, since 1970.
    """
    began, ended = (datetime.fromtimestamp(each, UTC).strftime("%FT%TZ") for each in seconds)
    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(digests.items())
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"version": source.version, "platforms": list(platforms)},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": source.commit}},
                    *(
                        {"name": name, "digest": {"sha256": digest}}
                        for name, digest in sorted(bases.items())
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": builder or UNNAMED_BUILDER},
                "metadata": {"startedOn": began, "finishedOn": ended},
            },
        },
    }
