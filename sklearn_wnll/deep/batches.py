"""Training samples, and the batches in which the two steps of a stage see them."""

import numpy as np
import torch
from torch.utils.data import Dataset

from ..templates import interleaved
from .inputs import as_tensor

__all__ = ["Batches", "Samples", "TemplateQueryBatches"]


class Samples(Dataset):
    """Samples and their classes.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Samples.
    codes : ndarray of int of shape (n,)
        Class of each, -1 where it is not known.
    """

    def __init__(self, X, codes):
        self.X, self.codes = as_tensor(X), as_tensor(codes)

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, places):
        return self.X[places], self.codes[places]


class Batches:
    """Labelled samples in batches of nearly equal size, shuffled anew in each epoch.

    Parameters
    ----------
    samples : Samples
        The training samples.
    batch_size : int
        Samples in a batch, at most.

    Yields
    ------
    X, codes : tensor
        A batch.
    """

    def __init__(self, samples, batch_size):
        self.samples, self.batch_size = samples, batch_size

    def __iter__(self):
        labeled = torch.nonzero(self.samples.codes >= 0).squeeze(1)
        order = labeled[torch.randperm(len(labeled))]
        # No batch of one sample, which batch normalization cannot learn from.
        count = max(1, min(-(-len(order) // self.batch_size), len(order) // 2))
        for part in order.tensor_split(count):
            yield self.samples[part]


class TemplateQueryBatches:
    """All pairs of a template batch and a query batch, dealt anew in each epoch.

    The classes are dealt in proportion, so that no batch lacks one for which there are
    enough samples. Samples without a label are dealt to the query batches.

    Parameters
    ----------
    samples : Samples
        The training samples.
    batch_size : None
        Not used; the numbers of batches say how large they are.
    template_fraction : float
        Part of the labelled samples that are templates.
    n_template_batches, n_query_batches : int
        Numbers of batches; fewer, where they would hold less than one sample.
    min_template : int
        Samples that a template batch has, at least: where there are too few for that, fewer
        batches are made.

    Yields
    ------
    query, template : tuple of (X, codes)
        A batch of each.
    """

    def __init__(self, samples, batch_size=None, *, template_fraction, n_template_batches,
                 n_query_batches, min_template):  # fmt: skip
        self.samples, self.template_fraction = samples, template_fraction
        self.n_template_batches, self.n_query_batches = n_template_batches, n_query_batches
        self.min_template = min_template

    def __iter__(self):
        codes = self.samples.codes.numpy()
        rng = np.random.RandomState(int(torch.randint(2**31 - 1, ())))
        labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        labeled = labeled[interleaved(codes[labeled], rng)]
        n_template = round(self.template_fraction * len(labeled))
        n_template = min(max(1, n_template), len(labeled) - 1)
        templates = self._dealt(labeled[:n_template], self.n_template_batches, self.min_template)
        rest = np.concatenate([labeled[n_template:], unlabeled])
        # Unlabelled samples are dealt as one class more.
        kind = np.where(codes[rest] < 0, codes.max() + 1, codes[rest])
        queries = self._dealt(rest[interleaved(kind, rng)], self.n_query_batches, 1)
        for template in templates:
            for query in queries:
                yield self.samples[query], self.samples[template]

    @staticmethod
    def _dealt(places, count, least):
        """Cut places into batches; any piece of their order holds the classes in proportion."""
        count = max(1, min(count, len(places) // least))
        return [torch.from_numpy(part) for part in np.array_split(places, count)]
