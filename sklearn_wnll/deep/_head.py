"""The WNLL head at prediction: voting over template batches (Algorithm 2 of the paper)."""

from hashlib import blake2b

import numpy as np

from .._graph.rows import RowIndex
from .._warnings import silenced
from ..exceptions import FewLabelsWarning

__all__ = ["WNLLHead", "sample_keys"]


class WNLLHead:
    """A :class:`~sklearn_wnll.WNLLClassifier` on a network's features.

    Parameters
    ----------
    classifier : WNLLClassifier
        What to fit to the features.

    Attributes
    ----------
    label_distributions : ndarray of shape (n_samples, n_classes)
        Distribution of each fitted sample.
    reached : ndarray of bool of shape (n_samples,)
        Whether a label reaches it.
    """

    def __init__(self, classifier):
        self.classifier = classifier

    def fit(self, X, codes, Z):
        """Fit the samples' features.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)
            Samples.
        codes : ndarray of shape (n_samples,)
            Class of each, -1 where it is not known.
        Z : ndarray of shape (n_samples, n_features)
            Their features.

        Returns
        -------
        WNLLHead
            Itself.
        """
        keys, first, inverse = np.unique(sample_keys(X), return_index=True, return_inverse=True)
        with silenced(FewLabelsWarning):  # has been said of the samples
            # Equal samples have equal features, bit for bit, and so are one point.
            self.classifier.fit(Z[first][inverse], codes)
        self.label_distributions = self.classifier.label_distributions_
        self.reached = self.classifier.reached_
        self._index, self._first = RowIndex(keys), first
        return self

    def predict(self, X, features):
        """Give the distribution of each sample, and whether a label reaches it.

        Parameters
        ----------
        X : ndarray of shape (n_queries, ...)
            Samples. A fitted one has its fitted value, the others are predicted in an order
            that depends on them alone, not on the one in which they come.
        features : callable
            Gives the features of samples.

        Returns
        -------
        u : ndarray of shape (n_queries, n_classes)
            Distributions.
        reached : ndarray of bool of shape (n_queries,)
            Whether a label reaches the sample.
        """
        keys = sample_keys(X)
        place = self._index.find(keys)
        u = self.label_distributions[self._first[place]]
        reached = self.reached[self._first[place]]
        new = np.flatnonzero(place < 0)
        if len(new):
            _, first, inverse = np.unique(keys[new], return_index=True, return_inverse=True)
            found = self.classifier._distributions(features(X[new[first]]))
            u[new], reached[new] = (part[inverse] for part in found)
        return u, reached


def sample_keys(X):
    """Hash samples by their bytes as float32.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Samples.

    Returns
    -------
    ndarray of uint64 of shape (n_samples,)
        One key per sample: equal samples have equal keys, and two others the same one by a chance
        of 1 in 2^64.

    Examples
    --------
    >>> import numpy as np
    >>> keys = sample_keys(np.array([[1, 2], [1, 2], [2, 1]]))
    >>> keys[0] == keys[1], keys[0] == keys[2]
    (np.True_, np.False_)
    """
    keys, rows = np.empty(len(X), dtype=np.uint64), X.reshape(len(X), -1)
    for i, row in enumerate(rows):
        values = row.astype(np.float32) + np.float32(0)  # -0 is 0
        keys[i] = int.from_bytes(blake2b(values.tobytes(), digest_size=8).digest(), "little")
    return keys
