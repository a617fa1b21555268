"""
=================================================
The parts of the network, and which of them learn
=================================================

:class:`~sklearn_wnll.DeepWNLLClassifier` has a backbone, a buffer block and two heads: a linear
one, and a graph on which the weighted nonlocal Laplacian (WNLL) interpolates the labels. Each step
of the training lets other parts learn. The picture has a panel for each step, and one for
prediction.

You learn which samples and which loss train which part.
"""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch, Patch

# %%
# Parts and steps
# ---------------
# The graph has no weights of its own. In a pseudo-label step it does not pass a gradient on, but
# labels the unlabelled samples anew before each epoch. It sees the buffer's features, and features
# of the samples that no training changes.

PLACES = {  # middle and width
    "samples": (0.5, 0.92, 0.9),
    "backbone": (0.5, 0.73, 0.5),
    "buffer block": (0.5, 0.54, 0.5),
    "linear head": (0.25, 0.33, 0.42),
    "WNLL on\na graph": (0.75, 0.33, 0.42),
}
LEARNS, USED, IDLE = "#F2B134", "#DDDDDD", "white"
ALL, HEADS = ("backbone", "buffer block", "linear head"), ("linear head", "WNLL on\na graph")
JOINING = "labelled samples,\nunlabelled in the graph"
STEPS = {  # samples, parts that learn, idle parts, texts below the heads
    "Linear step\nstage 1": ("labelled samples", ALL, HEADS[1:], ("loss", "")),
    "WNLL step\nstages 1 and 2": (JOINING, ALL[1:2], HEADS[:1], ("", "loss")),
    "Pseudo-label step\nstage 2": ("labelled and unlabelled", ALL, (), ("loss", "pseudo-labels")),
    "Prediction": ("new samples", (), (), ('head="linear"', 'head="wnll"')),
}

# %%
# The picture
# -----------
# The first and the third step train all layers by the loss of the linear head. The WNLL step trains
# the buffer block alone, by the loss of the interpolation, whose gradient flows through the graph;
# unlabelled samples are points of that graph, without a loss.


def draw_step(ax, samples, learning, idle, below):
    """Draw the parts, the arrows between them, and the texts below the heads."""
    for name, (x, y, width) in PLACES.items():
        style = {"facecolor": LEARNS if name in learning else IDLE if name in idle else USED}
        if name in idle:
            style |= {"edgecolor": "0.6", "linestyle": "--"}
        box = FancyBboxPatch(
            (x - width / 2, y - 0.05), width, 0.1, boxstyle="round,pad=0.01", **style
        )
        ax.add_patch(box)
        text = samples if name == "samples" else name
        ax.text(x, y, text, ha="center", va="center", color="0.6" if name in idle else "black")
    arrow = {"arrowstyle": "->", "color": "black", "shrinkA": 0, "shrinkB": 0}
    for start, end in [((0.5, 0.86), (0.5, 0.79)), ((0.5, 0.67), (0.5, 0.6))]:
        ax.annotate("", end, start, arrowprops=arrow)
    for head, text in zip(HEADS, below, strict=True):
        x = PLACES[head][0]
        if head not in idle:
            ax.annotate("", (x, 0.39), (0.5, 0.48), arrowprops=arrow)
            ax.annotate("", (x, 0.18), (x, 0.27), arrowprops=arrow)
            ax.text(x, 0.13, text, ha="center", va="center")
    if "pseudo-labels" in below:
        ax.annotate("", (0.34, 0.13), (0.5, 0.13), arrowprops=arrow)
    if not idle:  # features that no training changes
        ax.annotate("", (0.88, 0.39), (0.88, 0.86), arrowprops=arrow | {"linestyle": ":"})
    ax.set(xlim=(0, 1), ylim=(0.08, 1))
    ax.axis("off")


figure, axes = plt.subplots(1, 4, figsize=(9.6, 4.4), layout="constrained")
for ax, (title, step) in zip(axes, STEPS.items(), strict=True):
    draw_step(ax, *step)
    ax.set_title(title)
handles = [
    Patch(facecolor=LEARNS, edgecolor="black", label="learns"),
    Patch(facecolor=USED, edgecolor="black", label="used, does not learn"),
    Patch(facecolor=IDLE, edgecolor="0.6", linestyle="--", label="not used"),
    plt.Line2D([], [], color="black", linestyle=":", label="features that no training changes"),
]
figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
plt.show()
