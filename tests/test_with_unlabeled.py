"""A pool of unlabelled rows: stacking, refusals, and the labels' types."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.cluster import KMeans
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier, WNLLRegressor
from sklearn_wnll.compose import WithUnlabeled
from sklearn_wnll.model_selection import LabeledFold

from .clouds import examples
from .pool import FEW, HIDDEN, LABELED, X, Y, with_bayes

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
GRID = {"n_neighbors": [8, 15]}


NAMES = [
    [0, 1, 2, 3], [-1, 1, 2, 3], [-2, -1, 5, 7], [0.0, 1.0, 2.0, 3.0], ["a", "b", "c", "d"],
    ["-1", "1", "2", "3"], [2**60, 2**60 + 1, 2**60 + 2, 2**60 + 3],
]  # fmt: skip


@examples(15)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["hidden", "all", "none"]))
def test_the_estimator_is_fitted_as_with_markers(seed, pool):
    rng = np.random.default_rng(seed)
    rows, codes = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    labeled = rng.random(40) < 0.5
    labeled[:2] = True, False
    X_unlabeled = {"hidden": rows[~labeled], "all": rows, "none": rows[:0]}[pool]
    model = WNLLClassifier(7, class_prior="labeled", label_weight=3.0, tol=1e-12)
    wrapped = WithUnlabeled(model, X_unlabeled).fit(rows[labeled], codes[labeled])
    model.set_params(unlabeled=-1)
    model.fit(
        np.concatenate([rows[labeled], X_unlabeled]),
        np.concatenate([codes[labeled], [-1] * len(X_unlabeled)]).astype(int),
    )
    new = rng.normal(size=(5, 3))
    np.testing.assert_array_equal(wrapped.classes_, model.classes_)
    np.testing.assert_array_equal(wrapped.predict(new), model.predict(new))
    np.testing.assert_array_equal(wrapped.predict_proba(new), model.predict_proba(new))
    np.testing.assert_array_equal(wrapped.certainty(new), model.certainty(new))


SPREADING = LabelSpreading(kernel="knn")  # its marker is always -1


@pytest.mark.parametrize(
    ("inner", "names"),
    [
        *[(WNLLClassifier(unlabeled=None), names) for names in NAMES],
        *[(SPREADING, names) for names in NAMES if not {-1, "-1"} & {*names}],
    ],
)
def test_labels_of_any_type_are_given_back(names, inner):
    y = np.array(names)[Y[LABELED]]
    model = WithUnlabeled(inner, X[HIDDEN]).fit(X[LABELED], y)
    truth = np.array(names)[Y[HIDDEN]]
    assert model.classes_.tolist() == sorted(names)
    assert np.mean(model.predict(X[HIDDEN]) == truth) > 0.8
    assert model.score(X[HIDDEN], truth) > 0.8


def frame(rows):
    return pd.DataFrame(rows, columns=[f"pixel {i}" for i in range(np.shape(rows)[1])])


KINDS = {
    "array": (np.array, np.array),
    "float32": (np.float32, np.float32),
    "integers": (np.int16, np.float64),
    "lists": (np.ndarray.tolist, np.ndarray.tolist),
    "list, array": (np.ndarray.tolist, np.array),
    "array, list": (np.array, np.ndarray.tolist),
    "sparse": (sparse.csr_array, sparse.coo_matrix),
    "dense, sparse": (np.array, sparse.csc_array),
    "sparse, dense": (sparse.csr_matrix, np.array),
    "frames": (frame, frame),
    "array, frame": (np.array, frame),
    "frame, array": (frame, np.array),
    "frame of integers, list": (lambda rows: frame(rows.astype(int)), np.ndarray.tolist),
}


@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
def test_rows_of_any_kind_are_stacked(kinds):
    # Integers with hardly any equal distances.
    untied = 100 * X + np.random.default_rng(0).integers(-40, 40, X.shape)
    rows, pool = kinds[0](untied[LABELED]), kinds[1](untied[HIDDEN])
    wnll = WNLLClassifier(tol=1e-12)
    model = WithUnlabeled(wnll, pool).fit(rows, Y[LABELED])
    expected = WithUnlabeled(wnll, untied[HIDDEN]).fit(untied[LABELED], Y[LABELED])
    np.testing.assert_allclose(
        model.predict_proba(kinds[0](untied[:50])), expected.predict_proba(untied[:50]), atol=1e-4
    )
    assert model.n_features_in_ == 64
    assert hasattr(model, "feature_names_in_") == isinstance(rows, pd.DataFrame)


class CountsMasked(WNLLClassifier):
    """Counts the masked entries of its rows."""

    def fit(self, X, y):
        self.n_masked_ = np.ma.count_masked(X)
        return super().fit(np.ma.getdata(X), y)


def test_a_mask_is_not_dropped():
    half = np.ma.masked_array(X, np.arange(X.size).reshape(X.shape) % 2)
    for rows, pool in ((half, X), (X, half), (half, half)):
        model = WithUnlabeled(CountsMasked(), pool).fit(rows, Y)
        assert model.estimator_.n_masked_ == sum(np.ma.count_masked(part) for part in (rows, pool))


TOPICS = ["ship sea wave sail harbour captain", "bread oven flour yeast crust baker"]


def texts(n, rng):
    topics = np.arange(n) % 2
    return [" ".join(rng.choice(TOPICS[t].split(), 5)) for t in topics], topics


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series,
                                  lambda texts: np.array(texts, dtype=object)])  # fmt: skip
def test_raw_texts_go_around_a_whole_pipeline(kind):
    rng = np.random.default_rng(0)
    (few, y), (pool, truth) = texts(6, rng), texts(100, rng)
    pipeline = make_pipeline(TfidfVectorizer(), WNLLClassifier(5, metric="cosine"))
    model = WithUnlabeled(pipeline, kind(pool)).fit(kind(few), y)
    np.testing.assert_array_equal(model.predict(kind(pool)), truth)
    for mixed in (kind(few), few):
        again = WithUnlabeled(pipeline, kind(pool)).fit(mixed, y)
        np.testing.assert_array_equal(again.predict(pool), truth)
    vote = VotingClassifier(
        [("wnll", model), ("linear", make_pipeline(TfidfVectorizer(), LogisticRegression()))],
        voting="soft",
    )
    np.testing.assert_array_equal(vote.fit(few, y).predict(pool), truth)


def test_the_pool_is_scaled_where_it_goes_around_the_scaler():
    scale = np.geomspace(1, 1000, 64)
    pipeline = make_pipeline(StandardScaler(), WNLLClassifier())
    wrapped = WithUnlabeled(pipeline, X[HIDDEN] * scale).fit(X[LABELED] * scale, Y[LABELED])
    order = np.concatenate([np.flatnonzero(LABELED), np.flatnonzero(HIDDEN)])
    pipeline.fit(X[order] * scale, FEW[order])
    np.testing.assert_allclose(wrapped.predict_proba(X), pipeline.predict_proba(X), atol=1e-5)


def test_images_join_the_training_of_a_network():
    for name in ("torch", "skorch"):
        pytest.importorskip(name, reason="needs the extra [deep]")
    from torch import nn

    from sklearn_wnll.deep import DeepWNLLClassifier

    images = X.reshape(-1, 1, 8, 8).astype(np.float32)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 8))
    model = DeepWNLLClassifier(flat, n_stages=1, random_state=0)
    model.set_params(linear_step__epochs=1, wnll_step__epochs=1)
    pool = images[HIDDEN][:40]
    wrapped = WithUnlabeled(model, pool).fit(images[LABELED], Y[LABELED])
    assert len(wrapped.estimator_.transduction_) == LABELED.sum() + 40
    rows = np.concatenate([images[LABELED], pool])
    model.fit(rows, np.append(Y[LABELED], [-1] * 40))
    np.testing.assert_allclose(
        wrapped.predict_proba(images[:9]), model.predict_proba(images[:9]), atol=1e-5
    )


def test_rows_may_be_marked_beside_the_pool():
    X_few, y = X[:100], FEW[:100]
    wrapped = WithUnlabeled(WNLLClassifier(), X[100:]).fit(X_few, y)
    np.testing.assert_array_equal(wrapped.classes_, [0, 1, 2, 3])
    assert np.mean(wrapped.predict(X[HIDDEN]) == Y[HIDDEN]) > 0.8
    assert wrapped.score(X_few, y) == 1  # of the labelled ones


@pytest.mark.parametrize(
    "inner",
    [
        WNLLClassifier(unlabeled=99),
        make_pipeline(StandardScaler(with_std=False), WNLLClassifier(unlabeled=99)),
        GridSearchCV(WNLLClassifier(unlabeled=99), GRID, cv=LabeledFold(3)),
        make_pipeline(GridSearchCV(WNLLClassifier(unlabeled=99), GRID, cv=LabeledFold(3))),
    ],
    ids=["alone", "pipeline", "search", "search in a pipeline"],
)
def test_the_marker_is_that_of_the_estimator_inside(inner):
    y = np.where(HIDDEN, 99, np.where(Y == 0, -1, Y))  # -1 is a class
    wrapped = WithUnlabeled(inner, X[200:]).fit(X[:200], y[:200])
    assert wrapped.unlabeled == 99
    np.testing.assert_array_equal(wrapped.classes_, [-1, 1, 2, 3])
    truth = np.where(Y == 0, -1, Y)
    assert wrapped.score(X[200:], truth[200:]) > 0.8
    assert wrapped.score(X[200:], np.where(HIDDEN, 99, truth)[200:]) > 0.8


@pytest.mark.parametrize(
    ("inner", "pool", "message"),
    [
        (
            WNLLClassifier(),
            X[:, 1:],
            r"X are of shape \(64,\), but those of X_unlabeled of \(63,\)",
        ),
        (WNLLClassifier(), X.reshape(-1, 1, 8, 8), r"of shape \(64,\).*of \(1, 8, 8\)"),
        (WNLLClassifier(), sparse.csr_array(X[:, 1:]), r"but those of X_unlabeled of \(63,\)"),
        (WNLLClassifier(metric="precomputed"), X, "takes distances between the fitted rows"),
        (LogisticRegression(), X, "takes no unlabelled rows. Wrap one that does"),
        (make_pipeline(KNeighborsClassifier()), X, "takes no unlabelled rows"),
        (VotingClassifier(with_bayes(WNLLClassifier())), X, "wrap its members one by one"),
        (LinearRegression(), X, "LinearRegression refuses NaN, which marks the rows of the pool"),
        (KMeans(), X, "must be a classifier or a regressor, and KMeans is neither"),
        (WNLLClassifier(), ["a text"], r"of shape \(64,\), but those of X_unlabeled of \(\)"),
        (WNLLClassifier(), None, "X_unlabeled must be rows, images or texts"),
        (WNLLClassifier(), (row for row in X), "X_unlabeled must be rows, images or texts"),
        ("wnll", X, "'estimator' parameter of WithUnlabeled must be an object implementing"),
        (WNLLClassifier(n_neighbors=-1), X, "'n_neighbors' parameter of WNLLClassifier"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning")
def test_what_cannot_be_joined_is_refused_with_the_cure(inner, pool, message):
    with pytest.raises((ValueError, TypeError), match=message):
        WithUnlabeled(inner, pool).fit(X[LABELED], Y[LABELED])


def test_texts_are_not_stacked_with_rows():
    with pytest.raises(ValueError, match="samples of X have 0 dimensions, but those of X_unlab"):
        WithUnlabeled(make_pipeline(TfidfVectorizer(), WNLLClassifier()), X).fit(["a", "b"], [0, 1])


def test_frames_of_polars_are_stacked():
    polars = pytest.importorskip("polars", reason="polars is not installed")

    def frame_of_polars(rows):
        return polars.DataFrame(rows, schema=list(frame(rows).columns))

    rows, expected = frame_of_polars(X[LABELED]), frame(X[:50])
    for kind in (frame_of_polars, frame, np.array):
        model = WithUnlabeled(WNLLClassifier(), kind(X[HIDDEN])).fit(rows, Y[LABELED])
        assert model.feature_names_in_.tolist() == list(expected.columns)
        np.testing.assert_array_equal(model.predict(frame_of_polars(X[:50])), Y[:50])


def test_frames_are_stacked_by_the_same_names_in_the_same_order_only():
    rows, pool = frame(X[LABELED]), frame(X[HIDDEN])
    for other in (pool[pool.columns[::-1]], pool.assign(label=0), pool.add_prefix("a ")):
        with pytest.raises(ValueError, match="must have the same columns in the same order"):
            WithUnlabeled(WNLLClassifier(), other).fit(rows, Y[LABELED])
    with pytest.raises(ValueError, match=r"of shape \(64,\), but those of X_unlabeled of \(63,\)"):
        WithUnlabeled(WNLLClassifier(), X[:, 1:]).fit(rows, Y[LABELED])


def test_a_fit_that_fails_changes_nothing_and_one_without_names_forgets_them():
    model = WithUnlabeled(WNLLClassifier(), frame(X[HIDDEN])).fit(frame(X[LABELED]), Y[LABELED])
    before = dict(model.__dict__)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X[:3], Y[:4])
    assert model.__dict__ == before
    model.set_params(X_unlabeled=X[HIDDEN]).fit(X[LABELED], Y[LABELED])
    assert not hasattr(model, "feature_names_in_")


def test_clones_share_the_pool_and_nothing_else():
    model = WithUnlabeled(make_pipeline(StandardScaler(), WNLLClassifier()), X[HIDDEN])
    vote = clone(VotingClassifier(with_bayes(model)))
    copied = vote.estimators[0][1]
    assert copied is not model
    assert copied.X_unlabeled is model.X_unlabeled
    vote.set_params(model__estimator__wnllclassifier__n_neighbors=3)
    assert copied.estimator[-1].n_neighbors == 3
    assert model.estimator[-1].n_neighbors == 15
    assert model.X_unlabeled is not pickle.loads(pickle.dumps(model)).X_unlabeled


def test_a_large_pool_makes_no_long_text():
    for pool in (np.zeros((10**5, 20)), ["a text"] * 10**5, frame(np.zeros((10**4, 64)))):
        model = WithUnlabeled(WNLLClassifier(), pool)
        assert len(repr(model)) < 2000
        assert len(model._repr_html_()) < 10**5


def test_the_methods_are_those_of_the_estimator_inside():
    wnll, spreading = (
        WithUnlabeled(model, X[HIDDEN]) for model in (WNLLClassifier(), LabelSpreading())
    )
    assert hasattr(wnll, "certainty")
    assert not hasattr(spreading, "certainty")
    assert hasattr(spreading, "predict_proba")


def test_weights_of_a_score_are_routed():
    weights = np.random.default_rng(0).random(LABELED.sum())
    with sklearn.config_context(enable_metadata_routing=True):
        model = WithUnlabeled(WNLLClassifier(), X[HIDDEN]).set_score_request(sample_weight=True)
        found = cross_validate(
            model, X[LABELED], Y[LABELED], cv=3, params={"sample_weight": weights}
        )
        vote = VotingClassifier(with_bayes(model)).fit(X[LABELED], Y[LABELED])
    assert len(found["test_score"]) == 3
    assert np.mean(vote.predict(X[HIDDEN]) == Y[HIDDEN]) > 0.85


class WithItsOwnRows(WithUnlabeled):
    """Takes the fitted rows as the pool, so it has the right kind in scikit-learn's checks."""

    def _fit(self, X, y):
        given, self.X_unlabeled = self.X_unlabeled, X
        super()._fit(X, y)
        self.X_unlabeled = given


@pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning")
@parametrize_with_checks(
    [WithItsOwnRows(WNLLClassifier(), []), WithItsOwnRows(WNLLRegressor(), [])],
    expected_failed_checks=lambda estimator: (
        {"check_complex_data": "complex labels are refused first"}
        if is_classifier(estimator)
        else {}
    ),
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)
