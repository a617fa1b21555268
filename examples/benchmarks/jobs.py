"""
The jobs of bench_classifier.py, each in a separate process
===========================================================
"""

import time

import numpy as np
from graphs import neighbor_lists, recall, scaled_distances

# %%
# Data
# ----


def mnist(data_home):
    """Load all 70,000 images as float32 rows in random order, and their labels."""
    from readers import load_mnist

    X, y = load_mnist(data_home=data_home, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    return X[order].astype(np.float32) / 255, y[order]


def sheets(n, d, latent=8, n_classes=10, seed=0):
    """Draw rows on curved sheets of ``latent`` dimensions, with noise; each sheet is a class."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(size=(n_classes, latent, d)) / 2
    shift = rng.uniform(0, 6, size=(n_classes, d))
    y = rng.integers(0, n_classes, size=n)
    X = np.empty((n, d), dtype=np.float32)
    for c in range(n_classes):
        rows = np.flatnonzero(y == c)
        for part in np.array_split(rows, max(1, len(rows) // 50_000)):
            t = rng.normal(size=(len(part), latent))
            X[part] = np.sin(t @ waves[c] + shift[c]) + 0.05 * rng.normal(size=(len(part), d))
    return X, y


def hide_all_but(y, counts, seed=0):
    """Keep the labels of some random rows of each class."""
    rng = np.random.default_rng(seed)
    few = np.full(len(y), -1)
    for label, count in enumerate(counts):
        few[rng.choice(np.flatnonzero(y == label), count, replace=False)] = label
    return few


# %%
# The jobs, each in a new process
# -------------------------------


def timed(function):
    """Return the seconds of a call, and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def make(method):
    """Import and construct an estimator."""
    if method == "LabelSpreading":
        from sklearn.semi_supervised import LabelSpreading

        return LabelSpreading(kernel="knn", n_neighbors=15)
    from sklearn_wnll import WNLLClassifier

    return WNLLClassifier(neighbors=method, random_state=0)


def job_mnist(data_home, method):
    """Measure first and second fit on MNIST, 10 labels per class; the first includes imports."""
    imported, _ = timed(lambda: make(method))
    from sklearn_wnll.datasets import hide_labels

    X, y = mnist(data_home)
    few = hide_labels(y, 10, random_state=0)
    first, model = timed(lambda: make(method).fit(X, few))
    accuracy = 100 * (model.transduction_ == y)[few == -1].mean()
    del model  # frees its memory, which the process keeps
    again = hide_labels(y, 10, random_state=1)
    second, _ = timed(lambda: make(method).fit(X, again))
    return {"cold": imported + first, "warm": second, "accuracy": accuracy}


def job_solver(data_home):
    """Extend labels on a given graph of MNIST, by graphlearning and by us, in turn.

    A fit to given distances first makes the graph. So does a fit with all labels, which then has
    nothing to solve: the difference between the two is the solver's time.
    """
    from scipy import sparse

    from sklearn_wnll import WNLLClassifier
    from sklearn_wnll.datasets import hide_labels

    X, y = mnist(data_home)
    few = hide_labels(y, 10, random_state=0)
    W = WNLLClassifier(random_state=0).fit(X, few).graph_
    hidden, known = few == -1, np.flatnonzero(few != -1)
    distances, symmetric = scaled_distances(W), sparse.csr_matrix(W + W.T)
    model = WNLLClassifier(metric="precomputed", tol=1e-5)
    try:
        import graphlearning

        peer = graphlearning.ssl.laplace(symmetric, reweighting="wnll", tol=1e-5)
    except ImportError:
        peer = None
    fits, graphs, theirs = [], [], []
    for _ in range(7):
        graphs.append(timed(lambda: model.fit(distances, y))[0])
        fits.append(timed(lambda: model.fit(distances, few))[0])
        if peer is not None:
            theirs.append(timed(lambda: peer.fit(known, y[known]))[0])
    found = {"fit": float(np.median(fits)), "ours": float(np.median(np.subtract(fits, graphs)))}
    found["accuracy"] = 100 * (model.transduction_ == y)[hidden].mean()
    if peer is not None:
        found["peer"] = float(np.median(theirs))
        found["peer accuracy"] = 100 * (peer.predict() == y)[hidden].mean()
    return found


def job_rows(n, d, latent, labels):
    """Fit many synthetic rows, with progress shown."""
    from sklearn_wnll import WNLLClassifier

    X, y = sheets(n, d, latent, len(labels))
    few = hide_all_but(y, labels)
    seconds, model = timed(lambda: WNLLClassifier(random_state=0, verbose=1).fit(X, few))
    accuracy = 100 * (model.transduction_ == y)[few == -1].mean()
    return {"seconds": seconds, "accuracy": accuracy, "rows": X.nbytes / 1e9}


def job_queries(data_home, method):
    """Predict 1,000 rows after a fit to 69,000, or fit all again."""
    from sklearn_wnll.datasets import hide_labels

    X, y = mnist(data_home)
    few = hide_labels(y, 10, random_state=0)
    few[:1000] = -1
    make(method).fit(X[:5000], y[:5000])
    model = make(method).fit(X[1000:], few[1000:])
    predict = [timed(lambda: model.predict(X[:1000]))[0] for _ in range(3)]
    refit, _ = timed(lambda: make(method).fit(X, few))
    found = {"predict": float(np.median(predict)), "refit": refit}
    model.set_params(predict_mode="inductive").predict(X[:1])
    single = [timed(lambda i=i: model.predict(X[i : i + 1]))[0] for i in range(1000)]
    return {**found, "one row": 1000 * float(np.median(single))}


def job_search(data_home, method):
    """Search the 15 nearest others of MNIST's rows, in a new process and then again."""
    X, _ = mnist(data_home)
    start = time.perf_counter()
    find = SEARCHES[method](X)
    find()
    first = time.perf_counter() - start
    second, lists = timed(find)
    sample = np.random.default_rng(0).choice(len(X), 500, replace=False)
    from sklearn.neighbors import NearestNeighbors

    exact = NearestNeighbors(n_neighbors=16, algorithm="brute").fit(X).kneighbors(X[sample])[1]
    exact = [others[others != own] for own, others in zip(sample, exact, strict=True)]
    return {"cold": first, "warm": second, "recall": recall(exact, [lists[i] for i in sample])}


def search_in_cells(X):
    """Search by our fit with all labels, where only the search takes long."""
    from sklearn_wnll import WNLLClassifier

    model = WNLLClassifier(neighbors="approximate", unlabeled=None, random_state=0)
    labels = np.arange(len(X)) % 2
    return lambda: neighbor_lists(model.fit(X, labels).graph_)


def search_by_descent(X):
    """Search by pynndescent, with its defaults and 16 neighbours, including the point itself."""
    import pynndescent

    return lambda: pynndescent.NNDescent(X, n_neighbors=16, random_state=0).neighbor_graph[0][:, 1:]


def search_by_hnsw(X):
    """Search by faiss, with a hierarchical small-world graph."""
    import faiss

    def find():
        index = faiss.IndexHNSWFlat(X.shape[1], 16)
        index.hnsw.efConstruction, index.hnsw.efSearch = 60, 40
        index.add(X)
        return index.search(X, 16)[1][:, 1:]

    return find


SEARCHES = {
    "cells (ours, a fit with all labels)": search_in_cells,
    "pynndescent": search_by_descent,
    "faiss HNSW (M 16, efConstruction 60, efSearch 40)": search_by_hnsw,
}
JOBS = {
    "mnist": job_mnist,
    "solver": job_solver,
    "rows": job_rows,
    "queries": job_queries,
    "search": job_search,
}
