"""Arrays of Python objects from an archive, without running anything that the file says.

Text and numbers often come as objects, because that is how a data frame holds them. NumPy pickles
such arrays, and a pickle may call any function; this reader knows arrays and scalars and refuses
every other name.
"""

from __future__ import annotations

import pickle
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_PLACES = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
_NAMES = ("_reconstruct", "dtype", "ndarray", "scalar")
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class _Careful(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in _PLACES and name in _NAMES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is neither an array nor a number")


def read_objects(stream: IO[bytes], missing: str) -> NDArray[np.str_]:
    """Texts and numbers of a pickled array, as text.

    Parameters
    ----------
    stream
        An `.npy` file from its beginning.
    missing
        What stands for None and NaN.

    Raises
    ------
    ValueError
        It holds something else, or is no such array.
    """
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the format holds no objects")
    _HEADERS[version](stream)
    try:
        array = _Careful(stream).load()
    # Pickles can fail in any way, and none of them is of interest.
    except Exception as failure:
        raise ValueError(str(failure)) from failure
    if not isinstance(array, np.ndarray):
        raise ValueError("no array")
    texts = [_text(item, missing) for item in array.ravel().tolist()]
    return np.array(texts, dtype=np.str_).reshape(array.shape)


def _text(item: Any, missing: str) -> str:
    if item is None or (isinstance(item, float) and item != item):
        return missing
    if isinstance(item, str):
        return item
    if isinstance(item, bool | int | float | np.generic):
        return str(item)
    raise ValueError(f"{type(item).__name__} is neither text nor a number")
