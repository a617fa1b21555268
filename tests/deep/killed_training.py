"""A training that is killed.

Run as ``python -m tests.killed_training FOLDER STAGE STEP EPOCH THREADS RULE``.
"""

import os
import signal
import sys

import torch
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from sklearn_wnll import DeepWNLLClassifier

RATES = {
    (1, "linear"): 0.1, (1, "wnll"): 0.01,
    (2, "linear"): 0.05, (2, "pseudo"): 0.06, (2, "wnll"): 0.005,
}  # fmt: skip


class KillAt(Callback):
    """Kill the process in the middle of an epoch."""

    def __init__(self, stage, step, epoch):
        self.lr, self.step, self.epoch = RATES[stage, step], step, epoch

    def on_batch_end(self, net, training, **kwargs):
        here = type(net).__name__.lower().startswith(self.step) and net.lr == self.lr
        if here and len(net.history) == self.epoch and len(net.history[-1]["batches"]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def data():
    """Digits, of which some have no label."""
    X, y = load_digits(return_X_y=True)
    y[:900:3] = -1
    return X[:900], y[:900]


def model(folder=None, callbacks=None):
    """A short training, with numbers from every source of chance."""
    return DeepWNLLClassifier(
        max_epochs=3, pseudo_epochs=3, wnll_epochs=2, lr=0.1, pseudo_lr=0.06, wnll_lr=0.01,
        stage_lr_factor=0.5, lr_halving=2, augment=with_noise, n_neighbors=8, pseudo_neighbors=20,
        batch_size=128, random_state=0, checkpoint_dir=folder, callbacks=callbacks,
    )  # fmt: skip


def with_noise(batch):
    """Change a batch at random."""
    return batch + 0.1 * batch.new_empty(batch.shape).normal_()


if __name__ == "__main__":
    folder, stage, step, epoch, threads, rule = sys.argv[1:]
    torch.set_num_threads(int(threads))  # whatever the environment says
    training = model(folder, [KillAt(int(stage), step, int(epoch))])
    training.set_params(pseudo_labels=None if rule == "None" else rule).fit(*data())
    sys.exit("The training was not killed.")
