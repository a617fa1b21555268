"""
====================================================
Embeddings of texts: a graph and a classifier beside
====================================================

A few of 1,500 short texts on four topics are labelled. The texts are embedded as TF-IDF vectors of
reduced dimension. Three methods label the rest: a logistic regression that learns from the labelled
texts alone, the graph alone, and both together, ``WNLLClassifier(estimator=...)``.

The texts are made up, so that nothing is downloaded. For embeddings of real texts, pass their
matrix as ``X`` instead.

You learn when a classifier beside the graph gains.

Some 15 seconds on one core.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.datasets import hide_labels
from sklearn_wnll.exceptions import CollapsedClassesWarning, FewLabelsWarning

LABELS_PER_CLASS = (1, 2, 5, 10, 20)
DRAWS = 4

# %%
# The texts
# ---------
# Seven of ten words are common to all topics. The others belong to a topic, or to one of its six
# subtopics: the topics are not round clouds.


def write_texts(n_texts=1500, n_topics=4, n_subtopics=6):
    """Texts of about 20 words, and the topic of each."""
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, 801)
    frequency /= frequency.sum()
    topics, texts = rng.integers(n_topics, size=n_texts), []
    for topic in topics:
        subtopic, n_words = rng.integers(n_subtopics), max(5, rng.poisson(20))
        n_common, n_of_topic, n_of_part = rng.multinomial(n_words, (0.7, 0.15, 0.15))
        words = [f"common{i}" for i in rng.choice(800, size=n_common, p=frequency)]
        words += [f"topic{topic}x{i}" for i in rng.integers(60, size=n_of_topic)]
        words += [f"part{topic}x{subtopic}x{i}" for i in rng.integers(30, size=n_of_part)]
        texts.append(" ".join(words))
    return texts, topics


texts, y = write_texts()
embed = make_pipeline(
    TfidfVectorizer(sublinear_tf=True), TruncatedSVD(100, random_state=0), Normalizer()
)
X = embed.fit_transform(texts)

# %%
# The methods
# -----------
# Cosine distances suit embeddings. Of rows of unit length, a larger ``C`` than the default of 1
# lets the regression tell classes apart.

regression = LogisticRegression(C=10, max_iter=1000)
graph = WNLLClassifier(metric="cosine", random_state=0)
both = WNLLClassifier(metric="cosine", estimator=regression, random_state=0)


def learn_alone(few):
    """Topics by a regression that learns from the labelled texts."""
    labeled = few != -1
    return regression.fit(X[labeled], few[labeled]).predict(X)


METHODS = {
    "Regression and graph": lambda few: both.fit(X, few).transduction_,
    "Graph alone": lambda few: graph.fit(X, few).transduction_,
    "Logistic regression alone": learn_alone,
}

# %%
# Accuracy by labels per class
# ----------------------------

for warning in (FewLabelsWarning, CollapsedClassesWarning):  # very few labels are the point here
    warnings.simplefilter("ignore", warning)
accuracy = {name: np.zeros((len(LABELS_PER_CLASS), DRAWS)) for name in METHODS}
print(f"{DRAWS} draws: accuracy on the hidden labels in % (mean ± standard deviation)\n")
print(f"{'labels per class':28s}" + "".join(f"{n:>14d}" for n in LABELS_PER_CLASS))
for name, find_topics in METHODS.items():
    for i, n_per_class in enumerate(LABELS_PER_CLASS):
        for draw in range(DRAWS):
            few = hide_labels(y, n_per_class, random_state=draw)
            accuracy[name][i, draw] = np.mean((find_topics(few) == y)[few == -1])
    spans = zip(accuracy[name].mean(axis=1), accuracy[name].std(axis=1), strict=True)
    print(f"{name:28s}" + "".join(f"{100 * mean:8.1f} ± {100 * sd:3.1f}" for mean, sd in spans))

# %%
# How much the classifier counts
# ------------------------------
# ``estimator_weight_`` is its weight, as a multiple of that of all neighbours of a row: 0 leaves it
# aside, 1 makes it count as much as they do. It follows the odds that the graph errs.

print(f"With 20 labels per class: estimator_weight_ = {both.estimator_weight_:.2f}")

# %%
# The picture
# -----------

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for (name, scores), style in zip(accuracy.items(), ("C9o-", "C0s-", "C3^-"), strict=True):
    means, spreads = 100 * scores.mean(axis=1), 100 * scores.std(axis=1)
    ax.errorbar(LABELS_PER_CLASS, means, spreads, fmt=style, capsize=3, label=name)
ax.set(xscale="log", xlabel="labels per class", ylabel="accuracy on the hidden labels (%)")
ax.set_xticks(LABELS_PER_CLASS, map(str, LABELS_PER_CLASS))
ax.minorticks_off()
ax.grid(alpha=0.3)
ax.legend(loc="lower right")
ax.set_title("1,500 short texts: the graph and the regression together")
plt.show()
