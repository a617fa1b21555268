"""Points dealt to templates (the paper's Algorithm 2)."""

import numpy as np

__all__ = ["deal_templates", "division", "interleaved", "sizes_by_count"]


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
    part, count = division(m, n - m, template_size)
    labeled = labeled[interleaved(codes[labeled], rng)]
    rest = np.array_split(rng.permutation(unlabeled), count)
    return [
        np.sort(
            np.concatenate([np.take(labeled, np.arange(part) + i * m // count, mode="wrap"), u])
        )
        for i, u in enumerate(rest)
    ]


def division(n_labeled, n_unlabeled, template_size):
    """Return the number of labelled points in a template, and the number of templates.

    >>> division(2, 6, 4), division(6, 2, 4)
    ((2, 3), (3, 2))
    """
    n = n_labeled + n_unlabeled
    part = min(n_labeled, max(template_size // 2, template_size * n_labeled // n))
    count = -(-n_labeled // part)
    if n_unlabeled:
        count = max(count, -(-n_unlabeled // (template_size - part)))
    return part, count


def sizes_by_count(n_labeled, n_unlabeled, smallest):
    """Yield sizes that make 2, 3, ... templates, and the number of points in the largest of these.

    A size is the smallest that deals as many labelled points to a template as any size with so
    few templates. Sizes below ``smallest`` are left out.

    >>> list(sizes_by_count(2, 6, 4))
    [(5, 5, 2), (4, 4, 3)]
    """
    size, count = n_labeled + n_unlabeled, 1
    while (size := _smallest_size(n_labeled, n_unlabeled, count, size) - 1) >= smallest:
        part, count = division(n_labeled, n_unlabeled, size)
        largest = part + -(-n_unlabeled // count)
        same = division(n_labeled, n_unlabeled, largest) == (part, count)
        yield largest if same else size, largest, count


def _smallest_size(n_labeled, n_unlabeled, count, enough):
    """Find the smallest size of at most ``count`` templates, for which ``enough`` is enough."""
    low, high = 1, enough
    while high - low > 1:
        middle = (low + high) // 2
        if division(n_labeled, n_unlabeled, middle)[1] > count:
            low = middle
        else:
            high = middle
    return high


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
