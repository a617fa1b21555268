"""Digits of four classes with a few labels, for ensembles with a pool of unlabelled rows."""

from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from sklearn_wnll.datasets import hide_labels

X, Y = load_digits(n_class=4, return_X_y=True)
X, Y = X[:300], Y[:300]
FEW = hide_labels(Y, 10, random_state=0)
LABELED, HIDDEN = FEW != -1, FEW == -1


def with_bayes(model):
    """The members of an ensemble."""
    return [("model", model), ("bayes", GaussianNB())]
