"""Warnings of sklearn_wnll, to be silenced or turned into errors by name.

The solvers also issue :class:`sklearn.exceptions.ConvergenceWarning`.
"""

__all__ = [
    "AmbiguousLabelsWarning",
    "CollapsedClassesWarning",
    "FewLabelsWarning",
    "InputRangeWarning",
    "MemorizedLabelsWarning",
    "ShortNeighborListsWarning",
    "SimilaritiesWarning",
    "SingleLabelWarning",
    "SlowPrecisionWarning",
    "SlowPredictionWarning",
    "TrainingInterruptedWarning",
    "UnportableModelWarning",
    "UnreachedPointsWarning",
]


class FewLabelsWarning(UserWarning):
    """Fewer labels than it takes, on average, to see every class once.

    Make sure that no class is missing. See :func:`~sklearn_wnll.required_labels`.
    """


class UnreachedPointsWarning(UserWarning):
    """Some points lie in parts of the graph that hold no label.

    Label rows near them, or raise ``n_neighbors``. ``reached_`` is False for such fitted rows.
    """


class CollapsedClassesWarning(UserWarning):
    """One class may have swallowed others: it wins most rows, each by next to nothing.

    This is what the graph Laplacian does with few labels. Pass ``class_prior``, the frequencies of
    the classes, or another ``label_weight`` than ``"laplace"``, or label more rows.
    """


class AmbiguousLabelsWarning(UserWarning):
    """A value in ``y`` may be a class or the marker of unlabelled rows.

    Pass ``unlabeled=`` to say which: the marker, or None if every row is labelled.
    """


class ShortNeighborListsWarning(UserWarning):
    """A given neighbour graph holds fewer than ``n_neighbors`` neighbours for some rows.

    Compute it with more neighbours, or lower ``n_neighbors``.
    """


class SimilaritiesWarning(UserWarning):
    """A precomputed matrix is read as distances, but looks like similarities or weights.

    Turn similarities into distances, as ``sqrt(-log(X))`` does for numbers in (0, 1].
    """


class SingleLabelWarning(UserWarning):
    """Labels are held out, and a class has only one, which the others cannot predict.

    Label another row of each class.
    """


class InputRangeWarning(UserWarning):
    """New images have a far smaller or larger spread than the fitted ones.

    Pass images on the same scale as in ``fit``, such as 0 to 255 or 0 to 1 in both.
    """


class MemorizedLabelsWarning(UserWarning):
    """Labels are held out on the graph of a network that has learned nearly all of them.

    ``held_out_score_`` is then too high. Score on samples that the training has not seen.
    """


class SlowPredictionWarning(UserWarning):
    """Rows are predicted one by one, each of which joins the graph anew.

    Predict them together, or set ``predict_mode="inductive"``.
    """


class SlowPrecisionWarning(UserWarning):
    """Mixed precision on an x86 processor without AVX-512, where it is many times slower.

    Pass ``mixed_precision=False``.
    """


class TrainingInterruptedWarning(UserWarning):
    """A training was interrupted, and the estimator is fitted with the weights so far.

    With ``checkpoint_dir``, the same call goes on after the last complete epoch.
    """


class UnportableModelWarning(UserWarning):
    """A model that is saved refers to a class or function that only ``__main__`` defines.

    Another program cannot load it. Move the definition to a module that both programs import, or
    use :meth:`DeepWNLLClassifier.save_weights <sklearn_wnll.DeepWNLLClassifier.save_weights>`.
    """
