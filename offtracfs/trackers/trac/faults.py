"""What can go wrong with one answer."""

from __future__ import annotations

from offtracfs.errors import TrackerError, Unreachable


class Unusable(TrackerError):
    """An answer that cannot be used. The answer to a smaller question may be usable."""


class CutShort(Unusable, Unreachable):
    """The answer stopped on its way, or took too long."""


class Busy(Unreachable):
    """The server cannot answer now; `wait` is the seconds that it asks us to wait."""

    def __init__(self, message: str, wait: float) -> None:
        asked = f" It asks us to wait {wait:.0f} seconds." if wait else ""
        super().__init__(f"{message}{asked} Try again later.")
        self.wait = wait


class Fault(TrackerError):
    """An RPC method's own error. `code` is the plugin's: 403, 404, a JSON-RPC number, 0 if it told none."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def gone(self) -> bool:
        """Whether it says that the thing asked for is not there. What we may not see may well be there.

        The text decides where there is no code: in an XML-RPC multicall the plugin drops it (seen).
        """
        return not self.forbidden and (self.code == 404 or "does not exist" in str(self))

    @property
    def forbidden(self) -> bool:
        """Whether it says that a permission is missing. The text decides as above."""
        return self.code == 403 or "privileges are required" in str(self)

    @property
    def anonymous(self) -> bool:
        """Whether the plugin saw no user although one is needed (its own words, at ``/login/rpc``)."""
        return "Authentication information not available" in str(self)
