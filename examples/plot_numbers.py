"""
===============================
Numbers instead of classes
===============================

``WNLLRegressor`` extends a few measured numbers along the graph of all rows. On a rolled-up sheet,
the numbers follow the sheet instead of jumping across its turns. On images of turned digits, 50
known angles give the others to 4 degrees, each with an interval. On a table of patients, whose rows
lie near no such sheet, other methods are better.

You learn for which data the regressor is made, and for which it is not.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import rotate, zoom
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, make_swiss_roll
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler, scale

from sklearn_wnll import WNLLRegressor
from sklearn_wnll.datasets import hide_labels

# %%
# Fifty numbers on a rolled-up sheet
# ----------------------------------
# The number of a row grows along the sheet. ``hide_labels`` hides all but 50: NaN says that a row
# has no number. The nearest rows with a number serve for comparison; how many they are is chosen by
# cross-validation. Large points in the middle are off by more than 1.


def tuned(model, grid):
    """Choose parameters by cross-validation on the given numbers."""
    return GridSearchCV(model, grid, cv=5, scoring="neg_mean_absolute_error")


def predict_others(model, X, y):
    """Fit a model to the rows with a number, and predict all rows."""
    return model.fit(X[~np.isnan(y)], y[~np.isnan(y)]).predict(X)


neighbors = tuned(KNeighborsRegressor(weights="distance"), {"n_neighbors": [1, 2, 3, 5, 10]})
roll, place = make_swiss_roll(2000, random_state=0)
y = hide_labels(place, n_rows=50, random_state=0)
hidden = np.isnan(y)
found = {
    "nearest numbers": predict_others(neighbors, roll, y),
    "WNLL": WNLLRegressor().fit(roll, y).transduction_,
}

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
colors = {"cmap": "viridis", "vmin": place.min(), "vmax": place.max()}
axes[0].scatter(*roll[hidden][:, [0, 2]].T, s=4, color="0.85")
axes[0].scatter(*roll[~hidden][:, [0, 2]].T, s=30, c=y[~hidden], edgecolors="black", **colors)
axes[0].set_title("50 given numbers of 2,000")
for ax, (name, values) in zip(axes[1:], found.items(), strict=True):
    off = np.abs(values - place)
    order = np.argsort(off)  # rows that are far off on top, and larger
    size = np.where(off > 1, 30, 5)
    picture = ax.scatter(*roll[order][:, [0, 2]].T, s=size[order], c=values[order], **colors)
    ax.set_title(f"{name}: mean error {off[hidden].mean():.2f}")
for ax in axes:
    ax.set(xticks=[], yticks=[], aspect="equal")
figure.colorbar(picture, ax=axes, label="number")
plt.show()

# %%
# Angles of turned sevens, with intervals
# ---------------------------------------
# 1,500 images of sevens are turned by any angle between -90° and 90°; 100 angles are given. The
# intervals should contain 90 % of the true angles. They are wide where the graph is far from given
# angles, such as at the ends of the range. How many they do contain varies from draw to draw.

digits = load_digits()
sevens = [zoom(image, 2, order=1) for image in digits.images[digits.target == 7]]
angle = np.random.default_rng(0).uniform(-90, 90, 1500)
turned = np.array(
    [
        rotate(sevens[i % len(sevens)], degrees, reshape=False, order=1)
        for i, degrees in enumerate(angle)
    ]
)
pixels = turned.reshape(len(turned), -1)
for seed in range(5):
    y = hide_labels(angle, n_rows=100, random_state=seed)
    model = WNLLRegressor(random_state=0).fit(pixels, y)
    hidden = np.flatnonzero(np.isnan(y))
    lower, upper = model.predict_interval(pixels[hidden]).T
    predicted, inside = (lower + upper) / 2, (lower <= angle[hidden]) & (angle[hidden] <= upper)
    print(f"mean error {np.abs(predicted - angle[hidden]).mean():.1f}°, {inside.mean():.0%} inside")

figure = plt.figure(figsize=(10, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.3))
for ax, i in zip(left.subplots(3, 3).flat, range(0, 180, 20), strict=True):
    ax.imshow(turned[hidden[i]], cmap="gray_r")
    ax.set_title(f"{predicted[i]:.0f}° (true {angle[hidden[i]]:.0f}°)", fontsize=9)
    ax.axis("off")
ax = right.subplots()
some = slice(None, None, 6)
for mask, color, name in ((inside, "#0072B2", "contains"), (~inside, "#D55E00", "misses")):
    ax.errorbar(
        angle[hidden][mask][some],
        predicted[mask][some],
        yerr=(upper - lower)[mask][some] / 2,
        fmt="o",
        markersize=2.5,
        linewidth=0.8,
        color=color,
        label=f"interval {name} the true angle",
    )
ax.plot([-90, 90], [-90, 90], color="0.5", linewidth=1)
ax.set(xlabel="true angle", ylabel="predicted angle, 90 % interval", title="Images without angle")
ax.legend()
plt.show()

# %%
# Where it is good, and where not
# -------------------------------
# Mean absolute error on the hidden numbers, over five draws of 50 given ones. The other methods are
# tuned on these 50 numbers, and see nothing else. The regressor is the best on turned images. On
# the roll, it is second to kernel ridge regression: the sheet has three features, and the number
# varies smoothly with them. The patients of the diabetes data lie near no surface of few
# dimensions, and two of the three other methods are better.

others = {
    "nearest numbers": neighbors,
    "kernel ridge": tuned(
        TransformedTargetRegressor(KernelRidge(kernel="rbf"), transformer=StandardScaler()),
        {
            "regressor__alpha": [1e-4, 1e-2, 1],
            "regressor__gamma": [1e-4, 1e-3, 1e-2, 0.1, 1],
        },
    ),
    "random forest": RandomForestRegressor(random_state=0),
}
patients, progress = load_diabetes(return_X_y=True)
sets = {
    "roll": (scale(roll), place),
    "angles": (pixels / pixels.std(), angle),
    "diabetes": (scale(patients), progress),
}
for name, (X, truth) in sets.items():
    errors = []
    for seed in range(5):
        y = hide_labels(truth, n_rows=50, random_state=seed)
        found = [WNLLRegressor().fit(X, y).transduction_]
        found += [predict_others(other, X, y) for other in others.values()]
        errors.append([np.abs(values - truth)[np.isnan(y)].mean() for values in found])
    for method, mean in zip(["WNLL", *others], np.mean(errors, axis=0), strict=True):
        print(f"{name:9s} {method:16s} {mean:6.2f}")
