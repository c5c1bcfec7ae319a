"""Memory of a process: its peak, how to forget it, and children whose allocator hides nothing.

The allocator of a child gives every larger tensor back at once, so that the peak of the process
follows what is alive.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

_SELF = Path("/proc/self")
_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "0",
    "OMP_NUM_THREADS": "1",
}


def forget_peak() -> int:
    """What is resident now, which is the peak from now on where the system can forget the old."""
    with contextlib.suppress(OSError):
        (_SELF / "clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """Greatest resident size of this process."""
    with contextlib.suppress(OSError):
        for line in (_SELF / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def from_child(module: str, *arguments: str) -> list[int]:
    """What a module says that is run in a process of its own.

    Args:
        module: prints a list of numbers as JSON in its last line.
        arguments: of its command line.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, env=os.environ | _ALLOCATOR, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = f"{', '.join(arguments[:2])}, got: {done.stderr[-500:]}"
        raise RuntimeError(f"Expected a peak from {told} Try it by hand.")
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found
