"""Trainings that are killed, each continued from the last one.

Run as ``python -m tests.deep.killed_training FOLDER THREADS PSEUDO_EPOCHS PLACES``, where the
places, in JSON, are stage, step and epoch of each kill. Prints the resulting histories.
"""

import json
import os
import signal
import sys

import torch
import torch._dynamo
from sklearn.datasets import load_digits
from skorch.callbacks import Callback

from sklearn_wnll import DeepWNLLClassifier, WNLLClassifier
from sklearn_wnll.deep import LinearStep, PseudoLabelStep, WNLLStep
from sklearn_wnll.deep._training.checkpoint import Checkpoint

RATES = {
    (1, "linear"): 0.1, (1, "wnll"): 0.01,
    (2, "linear"): 0.05, (2, "pseudo"): 0.06, (2, "wnll"): 0.005,
}  # fmt: skip


class KillAt(Callback):
    """Kill the process in the middle of an epoch."""

    def __init__(self, stage, step, epoch):
        self.lr, self.step, self.epoch = RATES[stage, step], step, epoch

    def on_batch_end(self, net, training, **kwargs):
        here = net.step.name == self.step and net.lr == self.lr
        if here and len(net.history) == self.epoch and len(net.history[-1]["batches"]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def data():
    """Digits, some of them unlabelled."""
    X, y = load_digits(return_X_y=True)
    y[:450:3] = -1
    return X[:450], y[:450]


def model(**params):
    """A short training that uses every source of random numbers."""
    return DeepWNLLClassifier(
        linear_step=LinearStep(3, lr=0.1, batch_size=64, lr_halving_epochs=2, stage_lr_factor=0.5),
        pseudo_step=PseudoLabelStep(3, lr=0.06, batch_size=64),
        wnll_step=WNLLStep(
            2,
            lr=0.01,
            n_template_batches=2,
            n_query_batches=3,
            n_neighbors=8,
            stage_lr_factor=0.5,
        ),
        wnll=WNLLClassifier(20, metric="cosine"),
        augment=with_noise,
        random_state=0,
    ).set_params(**params)


def with_noise(batch):
    """Change a batch at random."""
    return batch + 0.1 * batch.new_empty(batch.shape).normal_()


def train_until_killed(folder, threads, pseudo_epochs, place):
    """Train in a separate process, forked from this one."""
    process = os.fork()
    if not process:
        torch.set_num_threads(threads)  # whatever the environment says
        training = model(checkpoint_dir=folder, pseudo_step__epochs=pseudo_epochs)
        training.set_params(callbacks=[KillAt(*place)]).fit(*data())
        os._exit(0)
    _, status = os.waitpid(process, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        sys.exit("The training was not killed.")


if __name__ == "__main__":
    folder, threads, pseudo_epochs, places = sys.argv[1:]
    histories = []
    for place in json.loads(places):
        train_until_killed(folder, int(threads), int(pseudo_epochs), place)
        state = Checkpoint(folder).load(lambda state, names: True)
        histories.append(state["history"])
    print(json.dumps(histories))
