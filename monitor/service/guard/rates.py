"""How often one address may ask: a bucket of leave that fills up again, one for each address."""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import Refusal, Scope

BURST_SECONDS = 10.0
"""A bucket holds what this many seconds fill in."""

_MOST_ADDRESSES = 10_000


class Buckets:
    """Buckets by address, the longest unused forgotten first.

    Args:
        rate: requests a second that fill in.
        clock: monotonic seconds.
        capacity: most addresses remembered.
    """

    def __init__(
        self, rate: float, clock: Callable[[], float], capacity: int = _MOST_ADDRESSES
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._clock = clock
        self._capacity = capacity
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """Take leave for one request.

        Args:
            address: who asks.

        Returns:
            0 where there is leave, else the seconds until there is.
        """
        now = self._clock()
        level, then = self._levels.pop(address, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._levels[address] = (level if wait else level - 1, now)
        if len(self._levels) > self._capacity:
            self._levels.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._levels)


def client_of(address: str) -> str:
    """Who stands behind an address: in IPv6 a whole network of 64 bits is one client's.

    Example:
        >>> client_of("2001:db8::1:2"), client_of("192.0.2.1")
        ('2001:db8::', '192.0.2.1')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)


class RateRule:
    """Refuses requests of an address that asks too often.

    Args:
        buckets: leave by address.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def __call__(self, scope: Scope) -> Refusal | None:
        """Judge by the client's address; a proxy's clients share one."""
        client = scope.get("client")
        wait = self._buckets.take(client_of(client[0]) if client else "")
        if not wait:
            return None
        seconds = math.ceil(wait)
        return Refusal(
            status=HTTPStatus.TOO_MANY_REQUESTS,
            detail=f"Expected fewer requests, got one too many. Try again in {seconds} s, or raise "
            "requests_per_second in [service].",
            headers=((b"retry-after", str(seconds).encode()),),
        )
