"""
==================
Time and memory
==================

Time and memory of a fit against the number of rows. Both axes are logarithmic: the dashed lines
show growth in proportion to the rows. The figures are measured by
``examples/benchmarks/bench_classifier.py`` and recorded on the benchmark page of the classifier;
this script draws them.

You learn what to expect for your own number of rows.
"""

import matplotlib.pyplot as plt
import numpy as np

# %%
# The figures
# -----------
# Measured on two cores, from float32 rows to ``transduction_``: synthetic rows of 32 features in
# ten classes (2026-11-29, Intel Xeon), and the 70,000 images of MNIST with 10 labels per class, in
# a new process (2026-11-25, AMD EPYC).

rows = np.array([100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000])
seconds = np.array([4.0, 9.0, 24.4, 47.2, 98.3, 283.5, 630.1])
gigabytes = np.array([0.5, 0.7, 1.4, 2.3, 4.1, 9.0, 17.7])
mnist = {"WNLLClassifier": ("C0", 3.3, 0.9), "LabelSpreading": ("C2", 82.6, 0.6)}
slope = np.polyfit(np.log(rows), np.log(seconds), 1)[0]
print(f"The time grows with exponent {slope:.2f}")

# %%
# Time and memory against rows
# ----------------------------
# From 100,000 to 10,000,000 rows, the time grows with exponent 1.1. On MNIST, which has 784
# features, :class:`~sklearn.semi_supervised.LabelSpreading` takes 25 times as long: it searches the
# neighbours exactly.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for ax, values, place in zip(axes, (seconds, gigabytes), (1, 2), strict=True):
    line = values[0] * rows / rows[0]
    ax.loglog(rows, line, "--", color="C7", label="in proportion to the rows")
    ax.loglog(rows, values, "o-", color="C0", label="WNLLClassifier, 32 features")
    for name, found in mnist.items():
        ax.loglog(70_000, found[place], "*", ms=12, color=found[0], label=f"{name}, MNIST")
    ax.set_xticks([70_000, *rows], ["70k", "", "200k", "500k", "1M", "2M", "5M", "10M"])
    ax.minorticks_off()
    ax.set_xlabel("rows")
    ax.grid(alpha=0.3)
axes[0].set(ylabel="seconds", ylim=(2, 1500), title="Time of a fit")
axes[0].set_yticks([3, 10, 30, 100, 300, 1000], ["3", "10", "30", "100", "300", "1000"])
axes[1].set(ylabel="GB", title="Peak memory")
axes[1].set_yticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
axes[0].legend(loc="lower right", fontsize="small")
plt.show()
