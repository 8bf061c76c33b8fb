"""What can go wrong, said to a person."""


class HarnessError(Exception):
    """Something did not work; the message says what to look at."""


class MissingPart(HarnessError):
    """This machine lacks something that is needed; the message holds the line that gets it."""
