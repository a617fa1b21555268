"""
Data sets of regression.py: numbers to predict on manifolds, and on tables
==========================================================================

All are made here or come with scikit-learn, except MNIST, which is read from ``data_home``. Each
has rows (n, d) and targets (n, k), the same in each run. ``python
examples/benchmarks/regression_data.py FILE`` draws some images of each set of images.
"""

import sys
from typing import NamedTuple

import numpy as np
from readers import load_mnist
from scipy.ndimage import gaussian_filter, rotate
from sklearn.datasets import load_diabetes, make_friedman1, make_swiss_roll
from sklearn.preprocessing import StandardScaler

SEED = 0
TURNED = 45  # largest angle of a digit, in degrees
POSES = {"azimuth": 60, "elevation": 30}  # largest angles, in degrees
SHAPE = {"digits": (28, 28), "pose": (32, 32), "sprite": (24, 24)}
# Ellipsoids of a head that looks along z: center, radii, brightness.
HEAD = (
    ((0, 0, 0), (0.62, 0.8, 0.68), 0.8),
    ((0, 0.14, -0.07), (0.66, 0.74, 0.68), 0.25),  # hair
    ((0, -0.08, 0.72), (0.11, 0.17, 0.16), 0.85),  # nose
    ((-0.24, 0.12, 0.56), (0.12, 0.08, 0.1), 0.05),  # eyes
    ((0.24, 0.12, 0.56), (0.12, 0.08, 0.1), 0.05),
    ((0, -0.4, 0.54), (0.2, 0.06, 0.1), 0.3),  # mouth
    ((-0.66, -0.02, 0), (0.09, 0.2, 0.14), 0.7),  # ears
    ((0.66, -0.02, 0), (0.09, 0.2, 0.14), 0.7),
)


class Numbers(NamedTuple):
    """Rows (n, d), targets (n, k), and their names."""

    X: np.ndarray
    y: np.ndarray
    targets: tuple


def rotated_digits(data_home=None, n_rows=4000):
    """Rotate random images of MNIST; the target is the angle."""
    rng = np.random.default_rng(SEED)
    images, _ = load_mnist(data_home=data_home, return_X_y=True)
    images = images[rng.choice(len(images), n_rows, replace=False)].reshape(-1, *SHAPE["digits"])
    angles = rng.uniform(-TURNED, TURNED, n_rows)
    turned = [
        rotate(image / 255, angle, reshape=False, order=1)
        for image, angle in zip(images, angles, strict=True)
    ]
    return Numbers(flat(turned), angles[:, None], ("angle",))


def swiss_roll(data_home=None, n_rows=3000):
    """Make a swiss roll; the target is the angle along the roll, in radians."""
    X, t = make_swiss_roll(n_rows, noise=0.2, random_state=SEED)
    return Numbers(X, t[:, None], ("t",))


def pose(data_home=None, n_rows=3000):
    """Render heads in random poses, in a light that varies; the targets are two angles."""
    rng = np.random.default_rng(SEED)
    angles = rng.uniform(-1, 1, (n_rows, 2)) * list(POSES.values())
    lights = rng.normal([0.3, 0.5, 1], 0.1, (n_rows, 3))
    shown = [render(*one, light) for one, light in zip(np.radians(angles), lights, strict=True)]
    return Numbers(flat(shown), angles, tuple(POSES))


def render(azimuth, elevation, light, size=SHAPE["pose"][0], finer=2):
    """Render a head by a ray for each pixel, with finer pixels averaged."""
    (ca, sa), (ce, se) = [(np.cos(angle), np.sin(angle)) for angle in (azimuth, elevation)]
    turn = np.array([[1, 0, 0], [0, ce, se], [0, -se, ce]]) @ [[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]]
    grid = (np.arange(size * finer) + 0.5) / (size * finer) * 2 - 1
    x, y = (axis.ravel() for axis in np.meshgrid(grid, -grid))
    image, depth = np.zeros(len(x)), np.full(len(x), -np.inf)
    toward = light / np.linalg.norm(light)
    for center, radii, brightness in HEAD:
        # A point p of the surface has (p - center)' form (p - center) = 1.
        form = turn @ np.diag(np.square(1 / np.array(radii))) @ turn.T
        center = turn @ center
        dx, dy = x - center[0], y - center[1]
        half = (form[0, 2] * dx + form[1, 2] * dy) / form[2, 2]
        flat = form[0, 0] * dx**2 + 2 * form[0, 1] * dx * dy + form[1, 1] * dy**2 - 1
        root = half**2 - flat / form[2, 2]
        dz = np.sqrt(np.maximum(root, 0)) - half
        front = (root > 0) & (center[2] + dz > depth)
        normal = form @ [dx, dy, dz]
        lit = np.maximum(toward @ normal, 0) / np.linalg.norm(normal, axis=0)
        image[front] = brightness * (0.3 + 0.7 * lit[front])
        depth[front] = center[2] + dz[front]
    return image.reshape(size, finer, size, finer).mean(axis=(1, 3))


def sprite(data_home=None, n_rows=3000):
    """Place a bright ring before a fixed background, with some noise; the targets are its place."""
    rng = np.random.default_rng(SEED)
    size = SHAPE["sprite"][0]
    background = gaussian_filter(rng.normal(size=(size, size)), 2, mode="wrap")
    background = 0.3 + 0.1 * background / background.std()
    places = rng.uniform(4, size - 5, (n_rows, 2))
    axis = np.arange(size)
    across = np.hypot(
        axis[:, None] - places[:, 1, None, None], axis[None, :] - places[:, 0, None, None]
    )
    cover = np.exp(-np.square((across - 2.5) / 1.2))
    images = background * (1 - cover) + cover * rng.uniform(0.8, 1, (n_rows, 1, 1))
    images += rng.normal(0, 0.02, images.shape)
    return Numbers(flat(images), places, ("x", "y"))


def diabetes(data_home=None):
    """Load scikit-learn's table of diabetes."""
    X, y = load_diabetes(return_X_y=True)
    return Numbers(StandardScaler().fit_transform(X), y[:, None], ("progression",))


def friedman(data_home=None, n_rows=2500):
    """Make Friedman's first function of five of ten features, with noise."""
    X, y = make_friedman1(n_rows, noise=1, random_state=SEED)
    return Numbers(StandardScaler().fit_transform(X), y[:, None], ("y",))


def flat(images):
    """Make a row of each image."""
    return np.asarray(images, dtype=np.float32).reshape(len(images), -1)


LOAD = {
    "digits": rotated_digits,
    "swiss": swiss_roll,
    "pose": pose,
    "sprite": sprite,
    "diabetes": diabetes,
    "friedman": friedman,
}


def show(path, data_home=None, columns=12):
    """Draw some images of each set of images, with their targets."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2 * len(SHAPE), columns, figsize=(columns, 2.5 * len(SHAPE)))
    for pair, (name, shape) in zip(axes.reshape(len(SHAPE), -1), SHAPE.items(), strict=True):
        rows = LOAD[name](data_home)
        for ax, image, targets in zip(pair, rows.X, rows.y, strict=False):
            ax.imshow(image.reshape(shape), cmap="gray", vmin=0, vmax=1)
            ax.set_title(", ".join(f"{one:.0f}" for one in targets), fontsize="small")
            ax.axis("off")
    figure.savefig(path, dpi=90, bbox_inches="tight")


if __name__ == "__main__":
    show(sys.argv[1])
