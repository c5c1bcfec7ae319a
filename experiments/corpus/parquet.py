"""Parquet files of a slice: the looks at its runs in one, its runs in another."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from grokwatch.experiments.corpus.coding import (
    LOSS_BITS,
    Codes,
    decode,
    differences,
    encode,
    sums,
)
from grokwatch.experiments.corpus.columns import Column, Looks, Mask, Text, Whole
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.folder import explained, put

LOSSES = ("train_loss", "test_loss")
COUNTS = ("run", "step", "train_right", "test_right")
TEXTS = ("errors", "cadence")

_BITS = b"grokwatch.bits"
_LEVEL = 19
_Arrays = Mapping[str, pa.Array]


def write_looks(path: Path, looks: Looks, bits: int) -> None:
    """Write the looks at the runs of a slice.

    Args:
        path: the file; it is replaced as a whole.
        looks: run by run.
        bits: that the value of a signal keeps.

    Raises:
        JournalError: the folder cannot be written.
    """
    arrays: dict[str, pa.Array] = {name: pa.array(getattr(looks, name)) for name in COUNTS}
    for name in LOSSES:
        arrays[name] = _packed(getattr(looks, name), LOSS_BITS)
    for name in TEXTS:
        arrays[name] = pa.array(getattr(looks, name), type=pa.string())
    for key, column in looks.values.items():
        arrays[key] = _packed(column, bits)
    split = dict.fromkeys([*LOSSES, *looks.values], "BYTE_STREAM_SPLIT")
    encoding = {**split, **dict.fromkeys(COUNTS, "DELTA_BINARY_PACKED")}
    _write(path, arrays, {_BITS: str(bits).encode()}, encoding)


def read_looks(path: Path) -> Looks:
    """Read what `write_looks` wrote.

    Args:
        path: the file.

    Returns:
        The looks; numbers are those that were kept.

    Raises:
        WireError: the file is broken, or not of this kind.
    """
    table, metadata = _read(path)
    missing = [name for name in (*COUNTS, *LOSSES, *TEXTS) if name not in table.column_names]
    if missing or _BITS not in metadata:
        raise WireError(
            f"Expected looks at runs in {path}, got no {(*missing, 'bits')[0]!r}. "
            "Try `grokwatch corpus build` for its slice."
        )
    bits = int(metadata[_BITS])
    keys = [name for name in table.column_names if name not in {*COUNTS, *LOSSES, *TEXTS}]
    counts: dict[str, Whole] = {name: table[name].to_numpy() for name in COUNTS}
    texts: dict[str, list[Text]] = {name: table[name].to_pylist() for name in TEXTS}
    return Looks(
        **counts,
        train_loss=_unpacked(table["train_loss"], LOSS_BITS),
        test_loss=_unpacked(table["test_loss"], LOSS_BITS),
        values={key: _unpacked(table[key], bits) for key in keys},
        errors=texts["errors"],
        cadence=texts["cadence"],
    )


def write_texts(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows of numbers and texts, all of the same columns.

    Args:
        path: the file; it is replaced as a whole.
        rows: in order.

    Raises:
        JournalError: the folder cannot be written.
    """
    arrays = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    _write(path, arrays, {}, None)


def read_texts(path: Path) -> list[dict[str, object]]:
    """Read what `write_texts` wrote.

    Args:
        path: the file.

    Returns:
        The rows.

    Raises:
        WireError: the file is broken.
    """
    rows: list[dict[str, object]] = _read(path)[0].to_pylist()
    return rows


def _packed(column: Column, bits: int) -> pa.Array:
    """A column as differences, nothing where nothing was measured."""
    found = np.zeros(len(column.values), dtype=np.int32)
    is_there = ~column.is_missing
    found[is_there] = differences(encode(column.values[is_there], bits))
    return pa.array(found, mask=column.is_missing)


def _unpacked(array: pa.ChunkedArray, bits: int) -> Column:
    """A column again."""
    is_missing: Mask = array.is_null().to_numpy(zero_copy_only=False).astype(np.bool_)
    steps: Codes = array.fill_null(0).to_numpy().astype(np.int32)
    values = decode(sums(steps), bits).astype(np.float64)
    values[is_missing] = np.nan
    return Column(values, is_missing)


def _write(
    path: Path, arrays: _Arrays, metadata: Mapping[bytes, bytes], encoding: Mapping[str, str] | None
) -> None:
    """Write a file as a whole."""
    table = pa.table(dict(arrays))
    texts = [name for name in table.column_names if name not in (encoding or {})]
    packed = io.BytesIO()
    with parquet.ParquetWriter(
        packed,
        table.schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=texts,
        column_encoding=dict(encoding) if encoding else None,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(dict(metadata))
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    put(path, packed.getbuffer())


def _read(path: Path) -> tuple[pa.Table, Mapping[bytes, bytes]]:
    """Read a file, and what it says of itself.

    Raises:
        WireError: it is broken.
    """
    try:
        file = parquet.ParquetFile(path)
        return file.read(), file.metadata.metadata or {}
    except (OSError, ValueError, pa.ArrowException) as error:
        msg = (
            f"Expected a whole Parquet file, got {path} ({error}). "
            "Try `grokwatch corpus build` for its slice."
        )
        raise WireError(msg) from error
