"""The Callback class of the Lightning package that is there; either one works in both Trainers."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

__all__ = ["Callback"]

# The package in use already is taken first, because importing the other one takes seconds.
if TYPE_CHECKING:
    from pytorch_lightning import Callback
elif "lightning.pytorch" in sys.modules or find_spec("pytorch_lightning") is None:
    from lightning.pytorch import Callback
else:
    from pytorch_lightning import Callback
