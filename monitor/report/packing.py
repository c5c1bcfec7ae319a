"""Packs arrays of numbers into a page: little-endian bytes in base64, which scripts unpack.

Whole numbers of 8 or 16 bits with a scale are for pictures; 32-bit floats for what is read off.
"""

import base64
from typing import Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Kind: TypeAlias = Literal["i1", "i2", "f4"]

_MOST = {"i1": 127, "i2": 32_767}


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """An array of numbers as a page carries it.

    Attributes:
        dtype: `i1`, `i2` or `f4`, as numpy names them.
        shape: of the array, row-major.
        scale: what each packed number is multiplied with.
        data: the bytes, in base64. The least number of `i1` and `i2` stands for one that is not
            finite.
    """

    dtype: Kind
    shape: tuple[int, ...]
    scale: float
    data: str


def pack(values: npt.ArrayLike, dtype: Kind = "f4") -> Packed:
    """Pack an array.

    Args:
        values: numbers of any shape; what is not finite is unpacked as NaN.
        dtype: how exactly: to 1/127 or 1/32,767 of the largest, or to seven digits.

    Returns:
        The packed array.

    Example:
        >>> pack([1.0, -0.5, float("nan")], "i1")
        Packed(dtype='i1', shape=(3,), scale=0.007874015748031496, data='f8CA')
    """
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    if dtype == "f4":
        with np.errstate(over="ignore"):
            single = np.where(finite, array, np.nan).astype("<f4")
        return Packed(dtype=dtype, shape=array.shape, scale=1.0, data=_text(single))
    most = _MOST[dtype]
    largest = float(np.abs(array[finite]).max(initial=0.0))
    scale = largest / most or 1.0
    whole = np.rint(np.where(finite, array, 0.0) / scale)
    whole[~finite] = -most - 1
    return Packed(
        dtype=dtype, shape=array.shape, scale=scale, data=_text(whole.astype(f"<{dtype}"))
    )


def _text(array: npt.NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
