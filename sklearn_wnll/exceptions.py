"""Warnings of sklearn_wnll, to be silenced or turned into errors by name.

The solvers also issue :class:`sklearn.exceptions.ConvergenceWarning`.
"""

__all__ = [
    "AmbiguousLabelsWarning",
    "CollapsedClassesWarning",
    "CompilationFailedWarning",
    "DividedRowsWarning",
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
    """Warning that so few rows are labelled that a class may be missing.

    **Cause.** If labels are drawn at random, seeing every class once takes
    :func:`~sklearn_wnll.required_labels` of them on average, and there are fewer.

    **Cure.** Make sure that each class has a label. If it has, ignore the warning. Otherwise, label
    more rows, for example those of :meth:`~sklearn_wnll.WNLLClassifier.suggest_labels`.

    Read more in the :doc:`user guide </guide/markers>`.
    """


class UnreachedPointsWarning(UserWarning):
    """Warning that no label reaches some rows.

    **Cause.** These rows lie in parts of the graph that hold no label. They get the class
    frequencies as their distribution, and ``reached_`` is False for them.

    **Cure.** Label a row in each such part, or raise ``n_neighbors`` to connect the parts.

    Read more in the :doc:`user guide </guide/parameters>`.
    """


class CollapsedClassesWarning(UserWarning):
    """Warning that one class may have taken over others.

    **Cause.** One class is predicted for most of the unlabelled rows, but with hardly more
    probability than the others. The graph Laplacian (``label_weight="laplace"``) does this if
    labels are few.

    **Cure.** Use another ``label_weight``, pass the class frequencies as ``class_prior``, or label
    more rows.

    Read more in the :doc:`user guide </guide/class_priors>`.
    """


class CompilationFailedWarning(UserWarning):
    """Warning that a network cannot be compiled, and is trained without.

    **Cause.** ``compile=True``, but there is no compiler, the network does something that
    ``torch.compile`` does not support, or its batches have too many different sizes. The
    message names the reason.

    **Cure.** Install a C++ compiler, or Triton for a GPU; or pass ``compile=False``.

    Read more in the :doc:`user guide </guide/devices>`.
    """


class DividedRowsWarning(UserWarning):
    """Warning that rows are divided among several graphs, because one may not fit in memory.

    **Cause.** ``template_size="auto"``, and one graph of all rows may take more than 80 % of the
    memory that is free, or that the limits on the process leave.

    **Cure.** Free memory, or pass fewer rows or fewer features. Pass a number as ``template_size``
    for the same division whatever is free, or None for one graph.

    Read more in the :doc:`user guide </guide/templates>`.
    """


class AmbiguousLabelsWarning(UserWarning):
    """Warning that a value in ``y`` may be a class or the marker of unlabelled rows.

    **Cause.** ``y`` holds a value that often marks unlabelled rows, such as -1 beside 1,
    ``"nan"``, ``"?"`` or ``"unknown"``, and it was read as a class; or no row is unlabelled, and
    one class is far more frequent than all others, or most numbers are exactly -1.

    **Cure.** Pass the marker as ``unlabeled``, or ``unlabeled=None`` if every row is labelled.

    Read more in the :doc:`user guide </guide/markers>`.
    """


class ShortNeighborListsWarning(UserWarning):
    """Warning that a given neighbour graph is too small for ``n_neighbors``.

    **Cause.** With ``metric="precomputed"`` or a transformer as ``neighbors``, the graph stores
    fewer than ``n_neighbors`` neighbours for some rows. These rows keep the neighbours they have.

    **Cure.** Compute the graph with more neighbours, or lower ``n_neighbors``.

    Read more in the :doc:`user guide </guide/parameters>`.
    """


class SimilaritiesWarning(UserWarning):
    """Warning that a precomputed matrix looks like similarities instead of distances.

    **Cause.** With ``metric="precomputed"``, ``X`` is read as distances, but its values do not
    behave like distances: each row sums to 1, or two rows that are nearest to a third one are
    mostly far from each other.

    **Cure.** Turn similarities into distances, for example by ``sqrt(-log(X))`` if they are in
    (0, 1].

    Read more in the :doc:`user guide </guide/coming_from>`.
    """


class SingleLabelWarning(UserWarning):
    """Warning that labels are held out, and a class has only one label.

    **Cause.** Without its only label, no other label can predict the class. It counts as wrong in
    ``held_out_score_``, and ``calibrate`` leaves it out.

    **Cure.** Label another row of each such class.

    Read more in the :doc:`user guide </guide/probabilities>`.
    """


class InputRangeWarning(UserWarning):
    """Warning that new images are on another scale than the fitted ones.

    **Cause.** The standard deviation of the new images is less than a tenth or more than ten times
    that of the fitted ones, for example because only one of them was divided by 255.

    **Cure.** Pass images on the same scale in ``fit`` and ``predict``.

    Read more in the :doc:`user guide </guide/deep>`.
    """


class MemorizedLabelsWarning(UserWarning):
    """Warning that a network has memorized the labels that are held out.

    **Cause.** Labels are held out on the graph of the network's features, but the network was
    trained with them, and has learned nearly all. ``held_out_score_`` may be far too high, and
    wrong labels may not be suspected.

    **Cure.** Score on samples that the training has not seen, such as those of ``validation``. Look
    for wrong labels with :class:`~sklearn_wnll.WNLLClassifier` before the training.

    Read more in the :doc:`user guide </guide/wrong_labels>`.
    """


class SlowPredictionWarning(UserWarning):
    """Warning that rows are predicted one by one on a large graph.

    **Cause.** With ``predict_mode="transductive"``, each call joins its rows to the graph and
    solves again. Several calls in a row predicted only a few rows each.

    **Cure.** Predict rows together, set ``predict_mode="inductive"``, or serve the copy that
    :meth:`~sklearn_wnll.WNLLClassifier.compact` returns.

    Read more in the :doc:`user guide </guide/prediction>`.
    """


class SlowPrecisionWarning(UserWarning):
    """Warning that mixed precision slows the training down on this processor.

    **Cause.** ``mixed_precision=True`` on an x86 processor without AVX-512, where torch computes
    bfloat16 many times slower than float32.

    **Cure.** Pass ``mixed_precision=False``, or train on a GPU.

    Read more in the :doc:`user guide </guide/deep>`.
    """


class TrainingInterruptedWarning(UserWarning):
    """Warning that a training was interrupted.

    **Cause.** The training was stopped, for example with Ctrl-C. The estimator is fitted with the
    weights so far.

    **Cure.** Call ``fit`` again. With ``checkpoint_dir``, the same call continues after the last
    complete epoch.

    Read more in the :doc:`user guide </guide/resuming>`.
    """


class UnportableModelWarning(UserWarning):
    """Warning that a pickled model cannot be loaded by another program.

    **Cause.** The model refers to a class or function that is defined in ``__main__``, the running
    script or notebook.

    **Cure.** Move the definition to a module that both programs import, or save the weights alone
    with :meth:`DeepWNLLClassifier.save_weights <sklearn_wnll.DeepWNLLClassifier.save_weights>`.

    Read more in the :doc:`user guide </guide/saving>`.
    """
