"""Where a benchmark ran: versions, cores, load."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

_PACKAGES = (
    "grokwatch",
    "torch",
    "pytorch-lightning",
    "numpy",
    "scipy",
    "weightwatcher",
    "cockpit-for-pytorch",
    "jax",
)
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and what is installed on it.

    Attributes:
        versions: by package; those that are not installed are left out.
        cores: how many this process may use.
        load: mean number of running processes over the last minute.
        governor: of the cores' clock, or `unknown`.
    """

    versions: dict[str, str]
    cores: int
    load: float
    governor: str

    def __str__(self) -> str:
        names = ", ".join(f"{name} {found}" for name, found in self.versions.items())
        return f"{names}; {self.cores} cores, load {self.load:.1f}, governor {self.governor}"


def machine() -> Machine:
    """Look at this machine now."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return Machine(
        versions=found,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        load=os.getloadavg()[0],
        governor=_GOVERNOR.read_text().strip() if _GOVERNOR.exists() else "unknown",
    )
