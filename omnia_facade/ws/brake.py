"""Why a socket is not read for a while."""

from enum import IntFlag


class Brake(IntFlag):
    """What has to make progress before more is read."""

    AUDIO = 1
    UPLOAD = 2
    RATE = 4
