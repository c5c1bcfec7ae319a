"""Who holds a lease: a process, named so that the next one here can tell whether it died."""

import os
import secrets
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def new_holder() -> str:
    """Name this process among all that use a store, and among those before it.

    Returns:
        Machine since its last boot, namespace of process ids, process id, and a token, in at most
        64 characters. The first two are empty where the system does not tell them.
    """
    return f"{_machine()}-{os.getpid()}-{secrets.token_hex(6)}"


def is_dead(holder: str, own: str) -> bool:
    """Whether a holder is known to have died; False where nobody can tell.

    Args:
        holder: of a lease.
        own: this process's name.

    Returns:
        True for a process of this machine that runs no more.
    """
    machine, _, rest = holder.rpartition("-")[0].rpartition("-")
    if holder == own or not machine or machine != _machine() or not rest.isdigit():
        return False
    if int(rest) == os.getpid():
        return True  # it had the process id that is this one's now
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _machine() -> str:
    try:
        return f"{_BOOT.read_text().strip()[:8]}.{_NAMESPACE.readlink().name.strip('pid:[]')}"
    except OSError:
        return ""
