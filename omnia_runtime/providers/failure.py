"""What is wrong with a call, before it is told in the provider's name."""


class VendorFailure(Exception):
    """A request that the vendor cannot take, or an answer that broke off.

    The vendor's model raises it again as a ProviderError.

    Attributes:
        problem: continues a sentence that begins with the provider's name.
        status: the HTTP status that fits, 0 for none; some statuses may pass.
        retry: whether the same call may succeed later, whatever the status.
    """

    def __init__(self, problem: str, *, status: int = 0, retry: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.retry = retry
