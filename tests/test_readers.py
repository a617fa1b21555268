import os
import pickle
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from readers import load_cifar10, load_cifar100, load_mnist, load_svhn
from scipy.io import savemat


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_all_is_train_then_test(load, home, n_train, n_test):
    whole, train, test = (load(part, data_home=home) for part in ("all", "train", "test"))
    assert (len(train.images), len(test.images)) == (n_train, n_test)
    for key in ("data", "images", "target"):
        np.testing.assert_array_equal(whole[key], np.concatenate([train[key], test[key]]))
    X, y = load("test", data_home=home, return_X_y=True)
    np.testing.assert_array_equal(X, test.data)
    np.testing.assert_array_equal(y, test.target)
    assert X.dtype == np.uint8
    assert X.shape == (n_test, int(np.prod(test.images.shape[1:])))
    with pytest.raises(ValueError, match="subset must be one of train, test,"):
        load("tests", data_home=home)


def test_mnist(tmp_path, rng):
    arrays = {
        "x_train": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_train": np.arange(5, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (2, 28, 28), dtype=np.uint8),
        "y_test": np.array([9, 8], dtype=np.uint8),
    }
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert_all_is_train_then_test(load_mnist, tmp_path, 5, 2)
    digits = load_mnist("test", data_home=tmp_path)
    np.testing.assert_array_equal(digits.images, arrays["x_test"])
    assert digits.target.tolist() == [9, 8]


def planes(images):
    """Images in the format of the original files: each a row of three colour planes."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_like_python_2(path, content):
    """Pickle with numpy's names of that time, and bytes for strings."""
    stream = pickle.dumps(content, protocol=2)
    path.write_bytes(stream.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))


def test_original_cifar10(tmp_path, rng):
    images = rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    write_like_python_2(folder / "batches.meta", {b"label_names": [b"airplane", b"cat"]})
    for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        batch = {b"data": planes(images[2 * i : 2 * i + 2]), b"labels": [i % 2, 1]}
        write_like_python_2(folder / name, batch)
    assert_all_is_train_then_test(load_cifar10, tmp_path, 10, 2)
    data = load_cifar10(data_home=tmp_path)
    np.testing.assert_array_equal(data.images, images)
    assert data.target.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1]
    assert data.target_names == ["airplane", "cat"]


def test_original_cifar100(tmp_path, rng):
    images = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    write_like_python_2(folder / "meta", {b"fine_label_names": [b"apple", b"bee"]})
    for name, part, labels in (("train", slice(0, 3), [1, 0, 1]), ("test", slice(3, 5), [0, 0])):
        batch = {b"data": planes(images[part]), b"fine_labels": labels}
        write_like_python_2(folder / name, batch)
    assert_all_is_train_then_test(load_cifar100, tmp_path, 3, 2)
    data = load_cifar100(data_home=tmp_path)
    np.testing.assert_array_equal(data.images, images)
    assert data.target.tolist() == [1, 0, 1, 0, 0]
    assert data.target_names == ["apple", "bee"]


def jpeg_copy(images, labels, part):
    files = []
    for image in images:
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    return {
        f"{part}_jpeg": np.frombuffer(b"".join(files), dtype=np.uint8),
        f"{part}_offsets": np.cumsum([0, *map(len, files)]),
        f"{part}_labels": labels,
    }


def test_jpeg_copy_of_cifar10(tmp_path):
    shades = np.arange(0, 240, 48, dtype=np.uint8)
    images = np.broadcast_to(shades[:, None, None, None], (5, 32, 32, 3)).copy()
    arrays = jpeg_copy(images[:3], np.array([0, 1, 1]), "train")
    arrays |= jpeg_copy(images[3:], np.array([1, 0]), "test")
    np.savez(tmp_path / "cifar10_jpeg.npz", class_names=np.array(["cat", "dog"]), **arrays)
    assert_all_is_train_then_test(load_cifar10, tmp_path, 3, 2)
    data = load_cifar10(data_home=tmp_path)
    np.testing.assert_allclose(data.images.astype(int), images, atol=2)
    assert data.target.tolist() == [0, 1, 1, 1, 0]
    assert data.target_names == ["cat", "dog"]


def test_svhn_has_digit_zero_for_label_ten(tmp_path, rng):
    images = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    for name, part in (("train", slice(0, 3)), ("test", slice(3, 5)), ("extra", slice(5, 6))):
        labels = np.array([[10], [1], [9]])[: part.stop - part.start]
        content = {"X": np.moveaxis(images[part], 0, -1), "y": labels}
        savemat(tmp_path / f"{name}_32x32.mat", content)
    assert_all_is_train_then_test(load_svhn, tmp_path, 3, 2)
    with pytest.raises(ValueError, match="one of train, test, extra, all"):
        load_svhn("more", data_home=tmp_path)
    assert load_svhn("train", data_home=tmp_path).target.tolist() == [0, 1, 9]
    np.testing.assert_array_equal(load_svhn("extra", data_home=tmp_path).images, images[5:])


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "meta").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(pickle.UnpicklingError, match="which is no data"):
        load_cifar100(data_home=tmp_path)
    assert not (tmp_path / "made").exists()


def test_missing_data_says_where_it_was_looked_for(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no mnist\.npz in data_home="):
        load_mnist(data_home=tmp_path)
    monkeypatch.setenv("SKLEARN_WNLL_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no cifar-10-batches-py or cifar10_jpeg\.npz"):
        load_cifar10()
    monkeypatch.delenv("SKLEARN_WNLL_DATA")
    with pytest.raises(FileNotFoundError, match="set the environment variable SKLEARN_WNLL_DATA"):
        load_svhn()


def test_the_local_copies_are_read_whole(data_home):
    digits = load_mnist(data_home=data_home)
    assert digits.images.shape == (70_000, 28, 28)
    assert np.bincount(digits.target).min() > 6000
    images = load_cifar10("test", data_home=data_home)
    assert images.images.shape == (10_000, 32, 32, 3)
    assert np.bincount(images.target).tolist() == [1000] * 10
