"""Methods of the estimator for services that predict row by row."""

from collections.abc import Callable
from copy import copy
from threading import Lock
from typing import Any, Self

from sklearn.utils.validation import check_is_fitted

from ._base import check_whole
from ._fit_setup import Kept
from ._typing import PredictMode
from ._warnings import warn_user
from .exceptions import SlowPredictionWarning

__all__ = ["CallCounter", "Serves"]

_FEW_ROWS = 4
_MANY_POINTS = 5000  # from here on, joining the graph takes some ten times as long as a mean
_CALLS = 5
_OF_FITTED_ROWS = (
    "graph_",
    "held_out_distributions_",
    "held_out_predictions_",
    "label_distributions_",
    "point_index_",
    "reached_",
    "templates_",
    "transduction_",
)


class CallCounter:
    """Counts consecutive calls that predict a few rows each; pickles start from 0."""

    def __init__(self) -> None:
        self._count, self._lock = 0, Lock()

    def count(self, n_rows: int) -> bool:
        """Count a call, and return whether to warn: no larger call came in between."""
        with self._lock:
            if self._count < _CALLS:
                self._count = self._count + 1 if n_rows <= _FEW_ROWS else 0
                return self._count == _CALLS
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]


class Serves:
    """A classifier with a compact copy for a service."""

    predict_mode: PredictMode
    _answer: Any
    _calls: CallCounter
    _kept: Kept | None
    _validate_params: Callable[[], None]

    def compact(self) -> Self:
        """Make a smaller copy that predicts new rows inductively.

        The copy takes less memory and makes smaller files. It has no graph and no attributes of
        the fitted rows, such as ``transduction_``; it cannot be relabelled, take more rows, or
        suggest labels. It predicts like the whole model with ``predict_mode="inductive"``.

        Read more in the :doc:`user guide </guide/saving>`.

        Returns
        -------
        WNLLClassifier or WNLLRegressor
            A fitted copy with ``predict_mode="inductive"``. This estimator does not change.

        Raises
        ------
        ValueError
            If the estimator was fitted without any label or value, or is compact already.

        Examples
        --------
        >>> import pickle
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_wnll import WNLLClassifier
        >>> from sklearn_wnll.datasets import hide_labels
        >>> X, y = load_digits(return_X_y=True)
        >>> model = WNLLClassifier(predict_mode="inductive")
        >>> model = model.fit(X[:1500], hide_labels(y[:1500], 10, random_state=0))
        >>> small = model.compact()
        >>> int((small.predict(X[1500:]) != model.predict(X[1500:])).sum())  # that differ
        0
        >>> f"{len(pickle.dumps(small)) / len(pickle.dumps(model)):.1f} times the size"
        '0... times the size'
        """
        compact = copy(self)  # another thread may fit meanwhile
        check_is_fitted(compact)
        check_whole(compact, "compact")
        compact._check_has_labels()
        for name in _OF_FITTED_ROWS:
            compact.__dict__.pop(name, None)
        compact._answer, compact._kept = compact._answer.compact(), None
        compact.predict_mode = "inductive"
        return compact

    def _check_has_labels(self) -> None:
        raise NotImplementedError

    def _check_ready(self) -> None:
        """Refuse predictions without labels, and those that a compact model cannot make."""
        check_is_fitted(self)
        self._validate_params()
        self._check_has_labels()
        if self.predict_mode != "inductive" and self._kept is None:
            raise ValueError(
                "A compact model predicts with predict_mode='inductive' only. Set that, or predict "
                "with the model it was made from."
            )

    def _count_call(self, n_rows: int) -> None:
        """Warn about slow predictions of a few rows each."""
        if self.predict_mode == "inductive":
            return
        n_points = self._answer.templates.points.n_points
        if n_points >= _MANY_POINTS and self._calls.count(n_rows):
            warn_user(
                f"The last {_CALLS} calls predicted at most {_FEW_ROWS} rows each, and each joined "
                f"new rows to a graph of {n_points:,}. Predict rows together, or set "
                "predict_mode='inductive', which takes a fraction of the time.",
                SlowPredictionWarning,
            )
