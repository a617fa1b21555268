"""A training of a few seconds, for tests of its course."""

import torch
from sklearn.datasets import load_digits

from sklearn_wnll import DeepWNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep


def data(n=60, n_unlabeled=0):
    """Digits below 3, the last ones without a label."""
    X, y = load_digits(n_class=3, return_X_y=True)
    X, y = X[:n], y[:n].copy()
    y[n - n_unlabeled :] = -1
    return X, y


def model(**params):
    """A training of one stage with a linear step of four epochs of three batches."""
    return DeepWNLLClassifier(
        n_stages=1,
        linear_step=LinearStep(4, lr=0.1, batch_size=20, lr_halving_epochs=1),
        pseudo_step=PseudoLabelStep(4, lr=0.08, batch_size=20),
        wnll_step=WNLLStep(0, lr=0.01, n_template_batches=1, n_query_batches=2, n_neighbors=5),
        random_state=0,
        module_params={"hidden": (8,)},
    ).set_params(**params)


def weights(model):
    """All numbers of the network."""
    return torch.cat([part.flatten() for part in model.network_.state_dict().values()])


def rates(model, step):
    """The rates of the epochs of a step."""
    return [row["lr"] for row in model.history_ if row["step"] == step]


def rows(model):
    """The history without its times."""
    return [{key: value for key, value in row.items() if key != "dur"} for row in model.history_]
