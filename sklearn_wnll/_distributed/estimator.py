"""Methods of the estimator for rows in dask collections; dask is imported when one comes."""

from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._arrays import ArraySpace, is_partitioned
from .._extension.prediction import Batching
from .._extension.system import HarmonicExtension
from .._fit_setup import Kept
from .._fit_warnings import warn_if_collapsed, warn_if_not_converged, warn_if_unreached
from .._serving import CallCounter
from .._typing import Indices, PredictMode

__all__ = ["TakesPartitions"]

# Fitted attributes that are dask arrays, and the methods that return the same for new rows.
_LAZY = {
    "label_distributions_": "predict_proba",
    "reached_": "reached",
    "transduction_": "predict",
}


class TakesPartitions:
    """A classifier whose rows may be partitions of a dask collection."""

    class_prior: Any
    graph_: Any
    point_index_: Indices | None
    max_iter: int
    n_features_in_: int
    predict_mode: PredictMode
    query_size: int | None
    template_size: Any
    tol: float
    _answer: Any
    _kept: Any
    _space: ArraySpace | None

    def _fit_partitions(self, X: Any, y: Any) -> None:
        """Set the fitted attributes."""
        from .fit import fit_partitions

        fit = fit_partitions(self, X, y)
        summaries, labels = fit.summaries, fit.labels
        self._space, self._on_device, self.template_size_ = None, False, self.template_size
        self._kept, self._calls = Kept.in_partitions(self.n_features_in_), CallCounter()
        self.classes_, self._answer = labels.classes, fit.answer
        self.n_iter_ = max(1, *(summary.n_iter for summary in summaries))
        self.label_noise_ = float(np.mean([summary.label_noise for summary in summaries]))
        self.temperature_ = 1.0
        self.graph_ = self.point_index_ = None
        if self.class_prior is not None:
            self.class_sizes_ = labels.fallback.copy()
        self._set_lazy_attributes()
        self._warn_of(summaries)

    @property
    def _is_partitioned(self) -> bool:
        return self._kept is not None and self._kept.is_partitioned

    def _set_lazy_attributes(self) -> None:
        extensions, answer = self._answer.fitted(), self._answer
        for name, method in _LAZY.items():
            setattr(self, name, answer.finish.arrays(extensions, answer.sizes, method))
        self.templates_ = answer.rows_of_templates()

    def _warn_of(self, summaries: Any) -> None:
        """Issue the warnings of a fit."""
        u = np.concatenate([summary.sample for summary in summaries])
        residual = max(summary.residual for summary in summaries)
        converged = all(summary.converged for summary in summaries)
        reached = np.ones(len(u), dtype=bool)
        sample = HarmonicExtension(u, reached, self.n_iter_, residual, converged)
        warn_if_not_converged(sample, self.tol, self.max_iter)
        n_unreached = sum(summary.n_unreached for summary in summaries)
        warn_if_unreached(np.zeros(n_unreached, dtype=bool), "rows of X")
        if converged:
            u = self._answer.finish.corrected(sample)
            warn_if_collapsed(self._answer.finish.classes, u, np.arange(len(u)))

    def _parts(self, X: Any) -> Any:
        return None if self._is_partitioned else super()._parts(X)  # type: ignore[misc]

    def _count_call(self, n_rows: int) -> None:
        if not self._is_partitioned:
            super()._count_call(n_rows)  # type: ignore[misc]

    def _lazily(self, X: Any, method: str) -> Any:
        if not is_partitioned(X):
            return None
        check_is_fitted(self)
        if not self._is_partitioned:
            return None
        return self._answer.predict_partitions(
            self,
            X,
            method,
            inductive=self.predict_mode == "inductive",
            batching=Batching(self.query_size),
            tol=self.tol,
            max_iter=self.max_iter,
        )

    def save_templates(self, folder: str | PathLike[str]) -> None:
        """Save a model that was fitted to a dask collection, with a file for each template.

        Each worker writes its templates, so no process needs the memory for all of them. Workers
        and client must see the same folder.

        Read more in the :doc:`user guide </guide/clusters>`.

        Parameters
        ----------
        folder : str or path-like
            Folder to write to, created if necessary. It must be empty.

        Raises
        ------
        ValueError
            If the model was fitted to arrays, or if the folder is not empty.
        RuntimeError
            If the client of the cluster that holds the templates is closed.

        See Also
        --------
        load_templates : Load the model again.

        Examples
        --------
        >>> import tempfile
        >>> import dask.array as da
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> rows = da.from_array(X[:1500], chunks=(100, -1))
        >>> model = WNLLClassifier(template_size=800, random_state=0)
        >>> model = model.fit(rows, hide_labels(y[:1500], 5, random_state=0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_templates(folder)
        ...     loaded = WNLLClassifier.load_templates(folder)
        ...     same = loaded.predict(X[1500:]) == model.predict(X[1500:])
        >>> bool(same.all())
        True
        """
        check_is_fitted(self)
        if not self._is_partitioned:
            raise ValueError(
                "This model was fitted to arrays, and its templates are in one place. Save it with "
                "joblib.dump(model, path)."
            )
        from .saving import save_folder

        save_folder(self, folder, without=(*_LAZY, "templates_"))

    @classmethod
    def load_templates(cls, folder: str | PathLike[str]) -> Self:
        """Load a model from a folder of :meth:`save_templates`.

        A template is loaded by the worker that needs it, when it needs it. Loading runs code from
        the files, as with ``joblib.load``: load only folders that you trust.

        Read more in the :doc:`user guide </guide/clusters>`.

        Parameters
        ----------
        folder : str or path-like
            Folder to read from. It must stay where it is as long as the model is used.

        Returns
        -------
        WNLLClassifier
            The fitted estimator.

        See Also
        --------
        save_templates : Save a model, with an example.
        """
        from .saving import load_folder

        model: Self = load_folder(folder)
        model._set_lazy_attributes()
        return model
