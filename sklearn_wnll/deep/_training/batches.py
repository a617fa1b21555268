"""Training samples, and their batches for the steps of a stage."""

import numpy as np
import torch
from torch.utils.data import Dataset

from ..._extension.dealing import interleaved
from .._inputs import as_tensor

__all__ = [
    "Batches",
    "PseudoLabeledBatches",
    "Samples",
    "TemplateQueryBatches",
    "automatic_batch_size",
    "automatic_rate",
]

_FEWEST_BATCHES = 32
# The smallest and the largest automatic size of a linear step, and of a pseudo-label step on a GPU
# and on the CPU; and the sizes for which the rates are meant.
_LINEAR, _PSEUDO_ON_GPU, _PSEUDO = (16, 128), (64, 256), (32, 32)
_RATE_IS_FOR = {"linear": 128, "pseudo": 32}
_MOST_UNLABELED = 0.875  # of a batch with pseudo-labels


class Samples(Dataset):
    """Samples ``X`` (n, ...) and their classes ``codes`` (n,), -1 if unknown, as tensors.

    Both are in main memory, and so are samples by their places. ``stored`` is ``X`` on the device,
    if that takes at most half of the free memory there, and otherwise ``X`` itself.
    """

    def __init__(self, X, codes, device="cpu"):
        self.X, self.codes = as_tensor(X), as_tensor(codes)
        self.device = torch.device(device)
        self._fits = (
            self.device.type != "cuda"
            or 2 * self.X.nbytes <= torch.cuda.mem_get_info(self.device)[0]
        )
        self.stored = self.X.to(self.device) if self._fits else self.X

    def __len__(self):
        return len(self.codes)

    def __getitem__(self, places):
        return self.X[places], self.codes[places]

    def batches(self, parts, *beside):
        """Yield the samples of each part of the places, and their entries of other tensors (n,).

        All are on the device. From the first batch on, nothing waits for it, so the next batches
        are prepared while it computes.
        """
        beside = [values.to(self.device) for values in beside]
        places = torch.cat(parts).to(self.device).split([len(part) for part in parts])
        for here, there in zip(parts, places, strict=True):
            X = self.stored.index_select(0, there) if self._fits else self._copied(here)
            yield X, *(values.index_select(0, there) for values in beside)

    def _copied(self, places):
        """Copy samples to the device, by way of page-locked memory."""
        batch = self.X.new_empty((len(places), *self.X.shape[1:]), pin_memory=True)
        torch.index_select(self.X, 0, places, out=batch)
        return batch.to(self.device, non_blocking=True)


def automatic_batch_size(step, n_samples, device):
    """Return the size of batches of a "linear" or "pseudo" step, such that there are 32 of them.

    It has a smallest and a largest value, which are larger for pseudo-labels on a GPU.

    >>> [automatic_batch_size("linear", n, torch.device("cpu")) for n in (100, 1000, 50000)]
    [16, 31, 128]
    >>> [automatic_batch_size("pseudo", 10000, torch.device(name)) for name in ("cpu", "cuda")]
    [32, 256]
    """
    pseudo = _PSEUDO_ON_GPU if device.type == "cuda" else _PSEUDO
    smallest, largest = _LINEAR if step == "linear" else pseudo
    return min(largest, max(smallest, n_samples // _FEWEST_BATCHES))


def automatic_rate(step, lr, batch_size):
    """Scale a step's learning rate to batches of another size, by the square root of the ratio.

    >>> [automatic_rate("pseudo", 0.03, size) for size in (32, 128)]
    [0.03, 0.06]
    """
    return lr * (batch_size / _RATE_IS_FOR[step]) ** 0.5


class Batches:
    """Labelled samples in batches of nearly equal size, reshuffled each epoch: ``X, codes``.

    A last batch of one sample joins the one before.
    """

    def __init__(self, samples, batch_size):
        self.samples, self.batch_size = samples, batch_size

    def __len__(self):
        n = int((self.samples.codes >= 0).sum())
        # No batch has one sample only: batch normalization cannot learn from it.
        return max(1, min(-(-n // self.batch_size), n // 2))

    def __iter__(self):
        labeled = torch.nonzero(self.samples.codes >= 0).squeeze(1)
        order = labeled[torch.randperm(len(labeled))]
        yield from self.samples.batches(order.tensor_split(len(self)), self.samples.codes)


class PseudoLabeledBatches:
    """Labelled and pseudo-labelled samples, each at least once in an epoch: ``X, codes, weights``.

    Unlabelled samples have their share of a batch, but at most seven eighths. ``label`` returns
    their classes and weights. It is called before the first epoch, and again after each
    ``label_epochs``. ``mean_weight`` is the mean of the weights in the last epoch.
    """

    def __init__(self, samples, batch_size, label, label_epochs=1):
        self.samples, self.label, self.label_epochs = samples, label, label_epochs
        self._labels, self._age = None, 0
        self.labeled = torch.nonzero(samples.codes >= 0).squeeze(1)
        self.unlabeled = torch.nonzero(samples.codes < 0).squeeze(1)
        part = min(len(self.unlabeled) / len(samples), _MOST_UNLABELED)
        self.n_unlabeled = min(max(1, round(batch_size * part)), batch_size - 1)
        self.n_labeled = batch_size - self.n_unlabeled

    def __len__(self):
        return max(
            -(-len(self.unlabeled) // self.n_unlabeled), -(-len(self.labeled) // self.n_labeled)
        )

    def state(self):
        """Return the present labels and weights, and for how many epochs they have been in use."""
        return {"labels": self._labels, "age": self._age}

    def load_state(self, state):
        """Continue with the labels of :meth:`state`."""
        self._labels, self._age = state["labels"], state["age"]

    def __iter__(self):
        if self._labels is None or self._age >= self.label_epochs:
            self._labels, self._age = [torch.from_numpy(part) for part in self.label()], 0
        self._age += 1
        found, weights = self._labels
        self.mean_weight = weights.mean().item()
        codes, weight = self.samples.codes.clone(), torch.ones(len(self.samples))
        codes[self.unlabeled] = found.to(codes.dtype)
        weight[self.unlabeled] = weights.float()
        labeled = _in_turn(self.labeled, len(self) * self.n_labeled)
        unlabeled = _in_turn(self.unlabeled, len(self) * self.n_unlabeled)
        pairs = zip(labeled.chunk(len(self)), unlabeled.chunk(len(self)), strict=True)
        yield from self.samples.batches([torch.cat(pair) for pair in pairs], codes, weight)


def _in_turn(places, count):
    """Repeat places, shuffled each time, up to a count."""
    turns = range(-(-count // len(places)))
    return torch.cat([places[torch.randperm(len(places))] for _ in turns])[:count]


class TemplateQueryBatches:
    """All pairs of a template batch and a query batch, dealt again in each epoch.

    The classes are dealt in proportion, so no batch lacks a class with enough samples. Unlabelled
    samples are dealt to the query batches, each of which also has labelled ones. There are fewer
    batches than requested if a query batch would hold no labelled sample, or a template batch
    fewer than ``min_template``.
    """

    def __init__(self, samples, *, template_fraction, n_template_batches, n_query_batches,
                 min_template):  # fmt: skip
        self.samples = samples
        n_labeled = int((samples.codes >= 0).sum())
        self.n_template = min(max(1, round(template_fraction * n_labeled)), n_labeled - 1)
        self.n_template_batches = max(1, min(n_template_batches, self.n_template // min_template))
        self.n_query_batches = min(n_query_batches, n_labeled - self.n_template)

    def __len__(self):
        return self.n_template_batches * self.n_query_batches

    def pairs(self, forward):
        """Deal the samples, and yield all pairs ``query, template``, each ``(forward(X), codes)``.

        ``forward`` is called once for each batch.
        """
        queries, templates = (
            [(forward(X), codes) for X, codes in self.samples.batches(parts, self.samples.codes)]
            for parts in self._deal()
        )
        for template in templates:
            for query in queries:
                yield query, template

    def _deal(self):
        """Deal the places of samples to query batches and template batches."""
        codes = self.samples.codes.numpy()
        rng = np.random.RandomState(int(torch.randint(2**31 - 1, ())))
        labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
        # Any part of this order holds the classes in proportion.
        labeled = labeled[interleaved(codes[labeled], rng)]
        templates = np.array_split(labeled[: self.n_template], self.n_template_batches)
        queries = np.array_split(labeled[self.n_template :], self.n_query_batches)
        shares = np.array_split(rng.permutation(unlabeled), self.n_query_batches)
        queries = [np.concatenate(both) for both in zip(queries, shares, strict=True)]
        return [[torch.from_numpy(part) for part in parts] for parts in (queries, templates)]
