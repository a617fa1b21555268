"""Iterators of blocks of rows, which are answered one after the other."""

from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

from sklearn.utils.validation import check_is_fitted

from ._arrays import gathered

__all__ = ["AnswersBlocks", "check_no_stream", "is_stream"]


def is_stream(X: Any) -> TypeGuard[Iterator[Any]]:
    """Return whether ``X`` is an iterator of blocks; arrays and lists of rows are not."""
    return isinstance(X, Iterator)


def check_no_stream(X: Any, method: str, cure: str = "") -> None:
    """Refuse an iterator of blocks where all rows are needed."""
    if is_stream(X):
        raise ValueError(
            f"{method} needs all rows at once, but X is an iterator of blocks. Pass an array{cure}."
        )


class AnswersBlocks:
    """An estimator that answers for rows or, lazily, for each block of an iterator.

    ``_answers(X, answer, *others)`` returns ``answer(*predictions)`` of rows, and
    ``_no_predictions(*others)`` the predictions of no rows.
    """

    _answers: Callable[..., Any]
    _no_predictions: Callable[..., tuple[Any, ...]]
    _check_space: Callable[[Any, str], None]
    _given: Callable[[Any], Any]
    _validate_params: Callable[[], None]

    def _respond(self, X: Any, method: str, answer: Callable[..., Any], *others: Any) -> Any:
        """Return ``answer(*predictions)`` of rows, or an iterator of those of blocks.

        ``answer`` returns an array, or several. The estimator must not change meanwhile.
        """
        lazy = self._lazily(X, method)
        if lazy is not None:
            return lazy

        def respond(rows: Any) -> Any:
            self._check_space(rows, method)
            return self._give(self._answers(rows, answer, *others))

        if not is_stream(X):
            return respond(X)
        self._check_ready()
        return _each(X, respond, lambda: self._give(answer(*self._no_predictions(*others))))

    def _lazily(self, X: Any, method: str) -> Any:
        """Return the result of a method as a dask array if the estimator can; otherwise None."""
        return None

    def _check_ready(self) -> None:
        """Refuse predictions that would fail for any rows."""
        check_is_fitted(self)
        self._validate_params()

    def _give(self, answer: Any) -> Any:
        """Copy an array, or several, to where the fitted rows are."""
        return tuple(map(self._given, answer)) if isinstance(answer, tuple) else self._given(answer)


def _each(
    blocks: Iterator[Any], respond: Callable[[Any], Any], nothing: Callable[[], Any]
) -> Iterator[Any]:
    """Respond to each block when the next answer is asked for; ``nothing`` if it has no rows.

    The error of a block that is refused says which. Errors of the iterator are passed on.
    """
    for number, block in enumerate(blocks):
        try:
            block = gathered(block)
            answer = respond(block) if _has_rows(block) else nothing()
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"Block {number} of X, counted from 0: {error}") from error
        yield answer


def _has_rows(block: Any) -> bool:
    """Return False for a block without rows, such as one of which a filter has kept none."""
    shape = getattr(block, "shape", None)
    if isinstance(shape, tuple):
        return not shape or bool(shape[0])
    return not hasattr(block, "__len__") or len(block) > 0
