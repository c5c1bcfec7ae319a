"""The webhook hook: posts the notice as JSON, signed as Standard Webhooks 1.0 says.

Target: `webhook:URL[,secret=env:NAME][,allow=private][,timeout=SECONDS]`; `webhook:env:NAME` takes
the address itself from the environment. The secret begins with `whsec_`, then 24 to 64 bytes in
base64; several, separated by white space, sign side by side while one replaces the other.

Only https and public addresses are spoken to; `allow=private` lets in addresses of your own
network, and http on this machine. Proxies of the environment are not used.
"""

import base64
import binascii
import datetime
import math
from collections.abc import Mapping, Sequence

from standardwebhooks import Webhook

from grokwatch.monitor import secrets
from grokwatch.monitor.alerts._destination import Destination
from grokwatch.monitor.alerts._options import (
    address_of,
    is_private_allowed,
    seconds,
    split_options,
)
from grokwatch.monitor.alerts._post import TIMEOUT_SECONDS, Network, post
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.notice import Notice, payload

MOST_BODY_BYTES = 20_000
_MOST_SECONDS = 30.0
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)
_OPTIONS = ("secret", "allow", "timeout")


class WebhookHook:
    """Posts notices to one receiver.

    Args:
        destination: the receiver.
        keys: secrets to sign with; without any, messages go unsigned.
        timeout: seconds for one message.
        network: what posting needs of the world.
    """

    repeat_seconds: float | None = None

    def __init__(
        self,
        destination: Destination,
        *,
        keys: Sequence[str] = (),
        timeout: float = TIMEOUT_SECONDS,
        network: Network | None = None,
    ) -> None:
        self._destination = destination
        self._signers = [Webhook(key) for key in keys]
        self._timeout = timeout
        self._network = network or Network()

    def fire(self, notice: Notice, /) -> None:
        """Sign and post.

        Raises:
            HookError: the receiver did not take it.
        """
        body = payload(notice, most_bytes=MOST_BODY_BYTES)
        headers = self._headers(notice.id, body)
        post(self._destination, body, headers, timeout=self._timeout, network=self._network)

    def _headers(self, name: str, body: bytes) -> dict[str, str]:
        """Name, time and signatures of a message."""
        now = datetime.datetime.fromtimestamp(self._network.now(), datetime.UTC)
        headers = {"webhook-id": name, "webhook-timestamp": str(math.floor(now.timestamp()))}
        signatures = [signer.sign(name, now, body.decode()) for signer in self._signers]
        return headers | ({"webhook-signature": " ".join(signatures)} if signatures else {})


def connect(
    argument: str,
    *,
    environment: Mapping[str, str] | None = None,
    network: Network | None = None,
) -> WebhookHook:
    """Make the hook, without contacting the receiver.

    Args:
        argument: what follows `webhook:` in a target.
        environment: variables to read; the process's own by default.
        network: what posting needs of the world.

    Returns:
        The hook.

    Raises:
        ConfigurationError: an address, an option or a secret that cannot be used.

    Example:
        >>> type(connect("https://hooks.example.com/grokking,timeout=5")).__name__
        'WebhookHook'
    """
    head, options = split_options(argument, _OPTIONS)
    destination = Destination.parse(
        address_of(head, environment), is_private_allowed=is_private_allowed(options)
    )
    keys = secrets.secret(options["secret"], environment).split() if "secret" in options else ()
    if "secret" in options and not keys:
        raise ConfigurationError(_SECRET_REFUSAL)
    for key in keys:
        _check(key)
    timeout = seconds(options.get("timeout", str(TIMEOUT_SECONDS)), most=_MOST_SECONDS)
    return WebhookHook(destination, keys=keys, timeout=timeout, network=network)


_SECRET_REFUSAL = (
    "Expected a secret of 'whsec_' and 24 to 64 bytes in base64, got something else. "
    "Try: echo whsec_$(openssl rand -base64 32)"
)


def _check(key: str) -> None:
    """Refuse what is no secret, without repeating it."""
    try:
        raw = base64.b64decode(key.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not key.startswith(_PREFIX) or len(raw) not in _SECRET_BYTES:
        raise ConfigurationError(_SECRET_REFUSAL)
