"""Windows of images that name none."""

from __future__ import annotations

import numpy as np
import pytest

import nbannot as nb


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
@pytest.mark.parametrize("shape", [(90, 70), (601, 701)])
def test_the_automatic_window_has_numpys_percentiles(dtype: str, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    most = 1e6 if dtype in ("int32", "float32") else np.iinfo(dtype).max
    values = (
        random.normal(most / 4, most / 9, (1, *shape))
        .clip(-most if dtype[0] != "u" else 0, most)
        .astype(dtype)
    )
    window = nb.Image(values, nb.Geometry(np.eye(4), values.shape), modality="CR").default_window()
    low, high = np.percentile(values, (1, 99))
    assert window.name == "Automatic"
    assert (window.center, window.width) == pytest.approx(((low + high) / 2, high - low))
