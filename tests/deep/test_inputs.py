"""Containers of samples: converted to their array, or refused by name with the cure."""

import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.impute
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.helper import SliceDataset
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.deep import DeepWNLLClassifier, LinearStep, WNLLStep
from sklearn_wnll.deep._inputs import as_samples
from sklearn_wnll.model_selection import LabeledFold

from ..clouds import examples

N = 24
BYTES = np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3)).astype(np.uint8)
FLOATS = BYTES.transpose(0, 3, 1, 2).astype(np.float32)
TENSOR = torch.from_numpy(FLOATS)
LABELS = np.arange(N) % 2


class Pairs(Dataset):
    """Images and labels, as torchvision's data sets hold them."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return TENSOR[i], int(LABELS[i])


class Images(Pairs):
    def __getitem__(self, i):
        return TENSOR[i]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(TENSOR)


class File:
    """Numbers on a disk, like those of h5py and zarr: read by slices, or by ascending rows."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        if isinstance(rows, np.ndarray) and (np.diff(rows) <= 0).any():
            raise TypeError("Indexing elements must be in increasing order")
        return self.array[rows]

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


class Unreadable(File):
    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion is not allowed.")


class Closed(File):
    shape = property(lambda self: _not_a_dataset(), lambda self, value: None)


def _not_a_dataset():
    raise RuntimeError("not a dataset")


def objects(items):
    """An array of objects with one axis."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def without_ndim(data):
    """Data without an attribute ``ndim``."""
    vars(data).pop("ndim", None)
    return data


def pil(mode, images=BYTES):
    made = map(Image.fromarray, images)
    if mode == "I;16":  # the oldest Pillow makes it from greys only
        made = (image.convert("L") for image in made)
    return [image.convert(mode) for image in made]


def lazily_negated(tensor):
    return torch.complex(tensor, -tensor).conj().imag  # the same tensor, with a negative bit


CONTAINERS = {
    "list": list(FLOATS),
    "tuple": tuple(FLOATS),
    "nested lists": FLOATS.tolist(),
    "objects": objects(list(FLOATS)),
    "Series": pd.Series(list(FLOATS), index=np.arange(N) + 7),
    "file": File(FLOATS),
    "memoryview": memoryview(FLOATS),
    "half precision": FLOATS.astype(np.float16),
    "other byte order": FLOATS.astype(">f8"),
    "bfloat16": TENSOR.bfloat16(),
    "list of bfloat16": list(TENSOR.bfloat16()),
    "8 bits": (TENSOR // 64).to(torch.float8_e4m3fn),
    "requires grad": TENSOR.clone().requires_grad_(),
    "list that requires grad": list(TENSOR.clone().requires_grad_()),
    "Parameter": nn.Parameter(TENSOR),
    "channels last in memory": TENSOR.contiguous(memory_format=torch.channels_last),
    "negative bit": lazily_negated(TENSOR),
    "int64": TENSOR.long(),
    "Dataset": Images(),
    "Subset": Subset(Images(), range(N)),
    "TensorDataset": TensorDataset(TENSOR),
    "SliceDataset": SliceDataset(Pairs()),
    "SliceDataset without a number of axes": without_ndim(SliceDataset(Pairs())),
    "channels last": FLOATS.transpose(0, 2, 3, 1),
    "list of channels last": list(FLOATS.transpose(0, 2, 3, 1)),
    "RGB": pil("RGB"),
    "tuple of RGB": tuple(pil("RGB")),
    "objects that are RGB": objects(pil("RGB")),
    "Series of RGB": pd.Series(pil("RGB")),
}
EXACT = {"8 bits": FLOATS // 64}
for name in ("bfloat16", "list of bfloat16"):
    EXACT[name] = TENSOR.bfloat16().float().numpy()


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_of_images_is_their_array(name):
    found = as_samples(CONTAINERS[name])
    assert found.dtype == (np.uint8 if "RGB" in name else np.float32)
    np.testing.assert_array_equal(found, EXACT.get(name, FLOATS))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I", "F", "I;16", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("size", [(6, 5), (2, 2), (1, 3)])
def test_pillow_images_of_any_mode_get_their_channels_first(mode, size):
    images = pil(mode, BYTES[:, : size[0], : size[1]])
    found = as_samples(images)
    assert found.shape == (N, len(images[0].getbands()), *size)
    for image, got in zip(images, found, strict=True):
        expected = np.asarray(image).reshape(*size, -1)
        np.testing.assert_array_equal(got.transpose(1, 2, 0), expected)


@pytest.mark.filterwarnings("ignore:.*quant")
def test_quantized_tensors_are_what_they_stand_for():
    quantized = torch.quantize_per_tensor(TENSOR, 2.0, 0, torch.quint8)
    np.testing.assert_array_equal(as_samples(quantized), quantized.dequantize().numpy())


def with_value(value):
    X = FLOATS.astype(np.float64)
    X[5, 1, 2, 3] = X[9, 0, 0, 0] = value
    return X


REFUSED = {
    "pairs": (Pairs(), r"X \(.*Pairs\) .* tuple and length 2, .*SliceDataset.*pass them as y"),
    "subset of pairs": (Subset(Pairs(), [3, 5]), r"X \(torch Subset\) holds .* label"),
    "tensors and labels": (TensorDataset(TENSOR, torch.tensor(LABELS)), "torch TensorDataset"),
    "list of pairs": ([Pairs()[0], Pairs()[1]], r"X \(list\) holds .* length 2"),
    "pairs of a row and a label": ([([1.0, 2.0], 0), ([2.0, 3.0], 1)], "and its label"),
    "pairs of PIL and a label": ([[image, 0] for image in pil("L")], "and its label"),
    "pairs of images": ([(image, image) for image in FLOATS], "type tuple and length 2"),
    "loader": (DataLoader(Pairs(), 4), r"X \(torch DataLoader\) deals batches.*X\.dataset"),
    "stream": (Stream(), r"X \(.*Stream\) .*np\.stack\(list\(X\)\)"),
    "generator": ((image for image in FLOATS), r"X \(generator\) .*np\.stack\(list\(X\)\)"),
    "set": ({1, 2}, r"X \(set\) has no fixed order"),
    "dict": ({"images": FLOATS}, r"X \(dict\) holds arrays by name \('images'\)"),
    "dicts": ([{"pixels": image} for image in FLOATS], r"item\['pixels'\]"),
    "name of a file": ("images.npy", r"X \(str\) is not read as a file.*np\.load"),
    "names of files": (["a.png", "b.png"], r"X \(list\) .* str, .*PIL\.Image\.open"),
    "Series of names": (pd.Series(["a.png", "b.png"]), r"X \(pandas Series\) .*PIL\.Image\.open"),
    "array of names": (np.array(["a.png", "b.png"]), r"X \(numpy ndarray\) .*PIL\.Image\.open"),
    "paths": ([Path("a.png")], r"no files are read"),
    "one PIL image": (pil("L")[0], r"X \(PIL Image\) is a single image.*\[X\]"),
    "None": (None, r"X \(NoneType\) holds no samples"),
    "a number": (5.0, r"X \(float\) holds no samples"),
    "nothing": ([], r"X \(list\) holds no samples\. Pass at least one"),
    "no images": (FLOATS[:0], r"X has shape \(0, 3, 6, 5\): it holds no images"),
    "no pixels": (FLOATS[..., :0], r"images without pixels"),
    "a gap": ([*FLOATS[:3], None], r"X \(list\) holds None in place 3\. Leave that sample out"),
    "a gap in a Series": (pd.Series([FLOATS[0], np.nan]), r"holds nan in place 1"),
    "a gap of pandas": (pd.Series([FLOATS[0], pd.NA]), r"holds <NA> in place 1"),
    "a closed file": (Closed(FLOATS), r"X \(.*Closed\) cannot be read: not a dataset"),
    "masked arrays": (pd.Series([np.ma.masked_less(FLOATS[0], 9)]), r"X is masked in .* entries"),
    "objects": ([SimpleNamespace()], r"X \(list\) .* SimpleNamespace, which cannot be read"),
    "an object": (SimpleNamespace(), r"X \(.*SimpleNamespace\) cannot be read as samples"),
    "a container that fails": (Unreadable(FLOATS), r"X \(.*Unreadable\) .* Implicit conversion"),
    "column of images": (
        pd.DataFrame({"image": list(FLOATS), "size": 1}),
        r"X \(pandas DataFrame\) has a column 'image' of numpy ndarray.*X\['image'\]",
    ),
    "palettes": (pil("P"), r"mode P, whose numbers are places in a palette.*convert\('RGB'\)"),
    "several modes": (pil("L")[:3] + pil("RGB"), r"of mode L and RGB.*convert\('RGB'\)"),
    "PIL and arrays": (pil("RGB")[:3] + list(BYTES), r"Pillow images and ndarray"),
    "sizes of PIL": (
        pil("L", BYTES[:1]) + pil("L", BYTES[:1, 1:]),
        r"images of different shapes, such as \(5, 5\) and \(6, 5\)",
    ),
    "sizes of tensors": ([TENSOR[0], TENSOR[0, :, 1:]], r"images of different shapes.*Resize"),
    "rows of other lengths": ([[1, 2], [3]], r"samples of different shapes, .*rows of one length"),
    "images of ragged rows": ([[[[1, 2], [3]]], [[[1, 2], [3]]]], r"rows have different lengths"),
    "NaN": (with_value(np.nan), r"X contains NaN in 2 of 24 images, such as X\[5\].*nan_to_num"),
    "infinity": (with_value(np.inf), r"X contains infinity .* in 2 of 24 images, such as X\[5\]"),
    "large": (with_value(1e300), r"numbers beyond the range of float32 in 2 of 24 images"),
    "NaN in bfloat16": (torch.tensor(with_value(np.nan)).bfloat16(), "X contains NaN in 2"),
    "complex": (FLOATS * 1j, r"Complex data not supported: X has dtype complex64.*np\.abs\(X\)"),
    "complex tensor": (TENSOR.cfloat().conj(), "Complex data not supported"),
    "dates": (FLOATS.astype("datetime64[s]"), r"X has dtype datetime64\[s\]\. Pass numbers"),
    "durations": (FLOATS.astype("timedelta64[s]"), r"X has dtype timedelta64\[s\]\. Pass numbers"),
    "records": (np.zeros(3, dtype=[("a", "f4"), ("b", "f4")]), "structured_to_unstructured"),
    "words": (np.array([["a", "b"]] * 3), r"X has dtype <U1 and holds non-numbers"),
    "grey images": (FLOATS[:, 0], r"X has shape \(24, 6, 5\).*X\[:, None\] makes grey images"),
    "list of grey images": (list(FLOATS[:, 0]), r"for a list, np\.stack\(X\) makes an array"),
    "one image": (FLOATS[0], r"X has shape \(3, 6, 5\).*X\[None\] a batch of one image"),
    "video": (FLOATS[:, None], r"X has shape \(24, 1, 3, 6, 5\).*X\.reshape\(len\(X\), -1"),
    "sparse tensor": (TENSOR.to_sparse(), r"X is a tensor that is sparse\. Pass X\.to_dense\(\)"),
    "sparse tensors": (
        [image.to_sparse() for image in TENSOR],
        r"X\[0\] is a tensor that is sparse\. Pass X\[0\]\.to_dense\(\)",
    ),
    "no device": (torch.empty(3, 3, 6, 5, device="meta"), r"device 'meta'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_named_with_the_cure(name):
    X, message = REFUSED[name]
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        DeepWNLLClassifier().fit(X, LABELS)


@pytest.mark.parametrize(
    "X",
    [
        np.ma.masked_less(FLOATS, 9),
        list(np.ma.masked_less(FLOATS, 9)),
        [*FLOATS[:-1], np.ma.masked_less(FLOATS[-1], 9)],
        np.ma.masked_less(FLOATS.reshape(N, -1), 9),
    ],
    ids=["images", "list of images", "list of arrays and masked ones", "rows"],
)
def test_what_is_masked_is_filled_or_laid_bare_by_the_cure(X):
    with pytest.raises(ValueError, match="X is masked in") as caught:
        DeepWNLLClassifier().fit(X, LABELS)
    cures = re.fullmatch(r".*instance with (.+); or pass (.+) if the mask.*", str(caught.value))
    names = {"numpy": np, "sklearn": sklearn, "X": X}
    for cure in cures.groups():
        filled = eval(cure, names)
        assert np.ma.count_masked(filled) == 0
        assert np.isfinite(as_samples(filled)).all()


def test_arrays_of_objects_hold_numbers():
    X = np.array([[1, Decimal("0.5")]] * 3, dtype=object)
    np.testing.assert_array_equal(as_samples(X), [[1, 0.5]] * 3)
    X[1, 1] = None
    with pytest.raises(ValueError, match="Input X contains NaN"):
        DeepWNLLClassifier().fit(X, [0, 1, 0])
    X[1, 1] = []
    with pytest.raises(ValueError, match=r"X has dtype object and holds non-numbers"):
        as_samples(X)
    X[1, 1] = {}
    with pytest.raises(TypeError, match=r"X has dtype object and holds non-numbers.*dict"):
        as_samples(X)


@pytest.mark.parametrize("value", [1e300, -1e300, np.inf])
def test_rows_beyond_float32_are_refused_without_a_warning(value):
    X = np.random.default_rng(0).random((N, 4))
    X[3, 2] = value
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large"):
        DeepWNLLClassifier().fit(X, LABELS)


JUNK = st.recursive(
    st.none() | st.integers(-3, 300) | st.floats() | st.text(max_size=2) | st.binary(max_size=2)
    | st.sampled_from(
        [
            *(np.zeros(shape) for shape in [(), (2,), (2, 2), (3, 4, 4), (0,), (2, 3, 4, 4)]),
            *(torch.zeros(shape) for shape in [(), (2,), (2, 2), (3, 4, 4), (2, 3, 4, 4)]),
            *(pil(mode)[0] for mode in ("L", "RGB", "P")), np.array([None, 1]), Decimal(1), pd.NA,
        ]
    ),
    lambda parts: st.lists(parts, max_size=4) | st.lists(parts, max_size=3).map(tuple)
    | st.lists(parts, max_size=3).map(objects) | st.dictionaries(st.text(max_size=2), parts)
    | st.lists(parts, max_size=3).map(pd.Series),
    max_leaves=6,
)  # fmt: skip


@examples(100)
@given(JUNK)
@example([(objects([]),), {}])
@example([(objects([]),), None])
@example([0, "", b"\x80"])
def test_whatever_is_given_becomes_numbers_or_is_refused_by_name(junk):
    refusal, found = "", np.zeros(1)
    try:
        found = as_samples(junk)
    except (ValueError, TypeError) as error:
        refusal = str(error)
    assert not refusal or re.search(r"\bX\b", refusal)
    assert found.dtype.kind in "biuf"
    assert found.ndim in (0, 1, 2, 4)


class Flat(nn.Module):
    """The mean colours of an image."""

    def forward(self, x):
        return x.mean(dim=(2, 3))


def quick():
    return DeepWNLLClassifier(
        Flat(),
        n_stages=1,
        linear_step=LinearStep(1),
        wnll_step=WNLLStep(0),
        augment=None,
        random_state=0,
    )


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(FLOATS, LABELS)


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in EXACT])
def test_predict_takes_what_fit_takes(fitted, name):
    np.testing.assert_array_equal(fitted.predict(CONTAINERS[name]), LABELS)


@pytest.mark.parametrize("name", ["file", "requires grad", "Dataset", "SliceDataset", "objects"])
def test_cross_validation_takes_what_fit_takes(name):
    scores, expected = (
        cross_val_score(quick(), X, LABELS, cv=LabeledFold(2), error_score="raise")
        for X in (CONTAINERS[name], FLOATS)
    )
    np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize("name", ["RGB", "Series of RGB"])
def test_cross_validation_takes_pillow_images(name):
    scores, expected = (
        cross_val_score(quick(), X, LABELS, cv=2, error_score="raise")
        for X in (CONTAINERS[name], BYTES)
    )
    np.testing.assert_allclose(scores, expected)


def test_a_grid_search_takes_a_dataset_and_refuses_its_pairs():
    search = GridSearchCV(quick(), {"n_stages": [1]}, cv=LabeledFold(2), error_score="raise")
    few = hide_labels(LABELS, 10, random_state=0)
    search.fit(SliceDataset(Pairs()), few)
    np.testing.assert_array_equal(search.predict(FLOATS)[few >= 0], few[few >= 0])
    with pytest.raises(ValueError, match=r"X \(list\) .* tuple and length 2.*SliceDataset"):
        search.fit(Pairs(), few)
