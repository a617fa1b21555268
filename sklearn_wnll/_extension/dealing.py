"""Points dealt to templates (the paper's Algorithm 2)."""

import numpy as np

__all__ = ["deal_templates", "interleaved"]


def deal_templates(codes, template_size, rng):
    """Deal points of some classes (n_points,), -1 if unknown, to templates: a list of arrays.

    All labelled points are in every template if they fill at most half of it. If they would fill
    more, each template gets a part of them, the classes in proportion; if there are too few to go
    round, they are dealt repeatedly. Unlabelled points are divided. Every point is in at least
    one template. Wang et al., arXiv 1802.00168 (2018), Algorithm 2.

    >>> codes = np.array([0, 1, -1, -1, -1, -1, -1, -1])
    >>> for template in deal_templates(codes, 4, np.random.RandomState(0)):
    ...     print(template)
    [0 1 2 4]
    [0 1 3 6]
    [0 1 5 7]
    """
    labeled, unlabeled = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    n, m = len(codes), len(labeled)
    if n <= template_size:
        return [np.arange(n)]
    if not m:
        raise ValueError(
            f"template_size={template_size} divides rows by their labels or values, but y has "
            "none. Pass template_size=None, or fill in some of y."
        )
    part = min(m, max(template_size // 2, template_size * m // n))
    count = -(-m // part)
    if len(unlabeled):
        count = max(count, -(-len(unlabeled) // (template_size - part)))
    labeled = labeled[interleaved(codes[labeled], rng)]
    rest = np.array_split(rng.permutation(unlabeled), count)
    return [
        np.sort(
            np.concatenate([np.take(labeled, np.arange(part) + i * m // count, mode="wrap"), u])
        )
        for i, u in enumerate(rest)
    ]


def interleaved(codes, rng):
    """Shuffle points; any part of the order holds the classes (n_points,) in proportion.

    >>> codes = np.array([0, 0, 0, 0, 1, 1])
    >>> codes[interleaved(codes, np.random.RandomState(0))]
    array([0, 1, 0, 0, 1, 0])
    """
    order = rng.permutation(len(codes))
    shuffled = codes[order]
    counts = np.bincount(shuffled)
    by_class = np.argsort(shuffled, kind="stable")
    rank = np.empty(len(codes))
    rank[by_class] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Each class begins at a random place: no two keep step, and a rare one may come first.
    offset = rng.random_sample(len(counts))
    return order[np.argsort((rank + offset[shuffled]) / counts[shuffled], kind="stable")]
