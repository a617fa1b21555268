"""The course of a training, from scratch or from a trained network."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from .._base import PartlyLabeledClassifierMixin
from .._classifier import WNLLClassifier
from .._extension.beside import Known
from .._extension.class_prior import class_prior_values, labeled_frequencies
from .._progress import show_progress
from .._typing import Floats, Indices, Labels, NetworkClassPrior, RandomState
from ._devices import find_device, warn_of_slow_precision
from ._held_out import (
    LabeledSamples,
    check_enough_labels,
    check_validation,
    rows_to_hold_out,
    still_held_out,
    warn_if_memorized,
)
from ._inputs import KeptSamples, validate_samples
from ._network import with_classes
from ._parameters import STEPS, NestedParameters
from ._predictor import NetworkFeatures, Predictor
from ._setup import Start, TrainingSetup
from ._training.base import TrainingStep
from ._training.checkpoint import Checkpoint
from ._training.fingerprints import fingerprints
from ._training.monitors import check_callbacks, check_monitors
from ._training.plan import PlannedStep, make_plan, passes, shorten
from ._training.trainer import Trainer, forked_random_numbers, train

__all__ = ["FitsNetwork"]


class _Task(NamedTuple):
    """The checked inputs of a training, before anything is made."""

    samples: LabeledSamples
    classes: NDArray[Any]
    steps: dict[str, TrainingStep]
    stages: list[tuple[TrainingStep, TrainingStep]]
    learns_from_unlabeled: bool
    wnll: WNLLClassifier
    linear_weight: float
    class_prior: Floats | None
    callbacks: list[Callback]
    validation: LabeledSamples | None
    device: torch.device


class _Trained(NamedTuple):
    """A trained network, and the samples' features for its graph."""

    features: NetworkFeatures
    Z: Floats
    linear: Known | None
    history: list[dict[str, Any]]


class FitsNetwork(PartlyLabeledClassifierMixin, NestedParameters):
    """An estimator that trains a network, and fits the WNLL to its features."""

    module: Any
    buffer: Any
    augment: Any
    standardize: bool
    mixed_precision: bool
    compile: bool
    callbacks: list[Callback] | None
    validation: Any
    checkpoint_dir: Any
    class_prior: NetworkClassPrior | None
    unlabeled: object
    device: str
    random_state: RandomState

    history_: list[dict[str, Any]]
    _predictor: Predictor
    _kept: KeptSamples
    _held_out_rows: Indices

    def _fit(self, X: Any, y: Labels, goes_on: bool = False) -> None:
        """Set the fitted attributes, by a training from scratch, or one that ``goes_on``."""
        X = self._fitted_samples(X) if goes_on else validate_samples(self, X, reset=True)
        classes, codes = self._encode(X.shape[0], y)
        steps = {name: self._step(name) for name in STEPS}
        if goes_on:
            for step in steps.values():
                shorten(step)
        task = self._make_task(LabeledSamples(X, codes), classes, steps)
        away, trained = self._train_on(task) if goes_on else self._train_anew(task)
        self._set_fitted(task, away, trained)

    def _fitted_samples(self, X: Any) -> NDArray[Any]:
        """Return the fitted samples, passed or in memory; raise ValueError if they differ."""
        if X is not None:
            X = validate_samples(self, X, reset=False)
            if not self._predictor.knows(X):
                raise ValueError(
                    "X holds other samples than the fitted ones, or in another order. Pass the "
                    "samples of fit, or train with others by fit(X, y)."
                )
            return X
        X = self._kept.X
        if X is None:
            raise ValueError(
                "relabel needs the fitted samples. The estimator was loaded, and they are not in "
                "its file. Pass them in the order of fit: relabel(y, X)."
            )
        if not self._predictor.knows(X):
            raise ValueError(
                "The fitted samples have been changed in place since fit. Pass them as they were: "
                "relabel(y, X)."
            )
        return X

    def _make_task(
        self, samples: LabeledSamples, classes: NDArray[Any], steps: dict[str, TrainingStep]
    ) -> _Task:
        """Make the task set by the parameters, and check all of them."""
        codes = samples.codes
        stages, learns_from_unlabeled = self._stages(steps, codes)
        wnll, linear_weight = self._fresh_wnll(learns_from_unlabeled), self._linear_weight()
        prior = self._find_prior(classes, codes, learns_from_unlabeled)
        check_enough_labels(codes)
        callbacks = check_callbacks(self.callbacks or [])
        if self.validation is None:
            check_monitors(callbacks)
        validate = partial(validate_samples, self, reset=False)
        validation = check_validation(self.validation, classes, self.unlabeled, validate)
        device = find_device(self.device)
        if self.mixed_precision:
            warn_of_slow_precision(device)
        return _Task(
            samples,
            classes,
            steps,
            stages,
            learns_from_unlabeled,
            wnll,
            linear_weight,
            prior,
            callbacks,
            validation,
            device,
        )

    def _train_anew(self, task: _Task) -> tuple[Indices, _Trained]:
        """Train a new network by all stages; return it with the held-out rows."""
        plan = make_plan(task.stages)
        with self._make_checkpoint(task) as checkpoint:
            kept = checkpoint.load(partial(passes, plan, task.steps))
            seed = self._draw_seed() if kept is None else kept["seed"]
            away = rows_to_hold_out(task.samples.codes, self.validation, seed)

            def begin(X: NDArray[Any]) -> Start:
                return Start.from_nothing(
                    X,
                    len(task.classes),
                    module=self.module,
                    module_params=self.module_params,
                    buffer=self.buffer,
                    standardize=self.standardize,
                    mixed_precision=self.mixed_precision,
                )

            def run(trainer: Trainer) -> None:
                train(trainer, kept)

            return away, self._train(task, plan, away, seed, begin, run, checkpoint)

    def _train_on(self, task: _Task) -> tuple[Indices, _Trained]:
        """Train a copy of the network by all stages; return it with the held-out rows.

        An interrupt is not caught: the estimator does not change.
        """
        last = max((row["stage"] for row in self.history_), default=self.n_stages)
        away = self._held_out_rows
        if self.validation is None or task.validation is not None:
            away = away[:0]
        away = still_held_out(task.samples.codes, away)
        code = {label: number for number, label in enumerate(self.classes_.tolist())}
        places = [code.get(label, -1) for label in task.classes.tolist()]
        old = self._predictor.features

        def begin(X: NDArray[Any]) -> Start:
            network = with_classes(old.network, places).train()
            network.mixed_precision = self.mixed_precision
            known = self._predictor.known_input_features(away)
            return Start(network, old.prepare, old.input_features, known)

        plan = make_plan(task.stages, last + 1)
        trained = self._train(task, plan, away, self._draw_seed(), begin, Trainer.run, Checkpoint())
        return away, trained._replace(history=self.history_ + trained.history)

    def _train(
        self,
        task: _Task,
        plan: list[PlannedStep],
        away: Indices,
        seed: int,
        begin: Callable[[NDArray[Any]], Start],
        run: Callable[[Trainer], None],
        checkpoint: Checkpoint,
    ) -> _Trained:
        """Train by a plan from the start that ``begin`` makes, without the ``away`` samples."""
        wnll = task.wnll.set_params(unlabeled=-1, **self._execution(task.wnll))
        if wnll.random_state is None:
            wnll.set_params(random_state=seed)
        training, validation = task.samples.split(away)
        with show_progress(self.verbose), forked_random_numbers(task.device, seed):
            setup = TrainingSetup.make(
                *training,
                begin(training.X),
                validation=task.validation if validation is None else validation,
                augment=self.augment,
                standardize=self.standardize,
                learns_from_unlabeled=task.learns_from_unlabeled,
                class_prior=task.class_prior,
                wnll=wnll,
                linear_weight=task.linear_weight,
                device=task.device,
                seed=seed,
                verbose=self.verbose,
                compile=self.compile,
            )
            trainer = Trainer(plan, setup.context, task.callbacks, checkpoint, setup.validation)
            run(trainer)
            features = setup.network_features()
            known = setup.context.input_features if training is task.samples else None
            X = task.samples.X
            Z, linear = features.beside_linear_head(X, task.device, task.linear_weight, known)
        features.network.cpu()
        return _Trained(features, Z, linear, trainer.history)

    def _set_fitted(self, task: _Task, away: Indices, trained: _Trained) -> None:
        """Fit the WNLL to the features of all samples, and set the fitted attributes."""
        X, codes = task.samples
        features, Z, linear, history = trained
        task.wnll.set_params(class_prior=task.class_prior)
        predictor = Predictor.fit(features, Z, X, codes, task.wnll, task.device, linear)

        self.classes_, self.history_ = task.classes, history
        self._predictor, self.network_ = predictor, features.network
        self._kept, self._held_out_rows = KeptSamples(X), away
        self.label_distributions_, self.reached_ = predictor.fitted()
        self.transduction_ = task.classes[self.label_distributions_.argmax(axis=1)]
        held_out = predictor.held_out()
        if "held_out_score_" in held_out:
            seen = np.setdiff1d(np.flatnonzero(codes >= 0), away)
            logits = features.logits(X[seen], task.device)
            learned = logits.argmax(dim=1).numpy() == codes[seen]
            warn_if_memorized(learned, held_out["held_out_score_"])
        self.__dict__.update(held_out)

    def _draw_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _find_prior(
        self, classes: NDArray[Any], codes: Indices, learns_from_unlabeled: bool
    ) -> Floats | None:
        """Return the class frequencies for corrections; None if there is nothing to correct."""
        fair = isinstance(self.class_prior, str) and not learns_from_unlabeled
        if self.class_prior is None or fair:
            return None
        frequencies = labeled_frequencies(codes, len(classes))
        return class_prior_values(self.class_prior, classes, frequencies)

    def _make_checkpoint(self, task: _Task) -> Checkpoint:
        """Make the checkpoint, which identifies the training by its parameters and data."""
        if self.checkpoint_dir is None:
            return Checkpoint()
        params = self.get_params(deep=False)
        if task.linear_weight > 0:
            params["wnll__linear_weight"] = task.linear_weight
        if task.validation is not None:
            params["validation"] = task.validation
        parts = {**task.steps, "wnll": task.wnll}
        return Checkpoint(self.checkpoint_dir, fingerprints(params, parts, *task.samples))
