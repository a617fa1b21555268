"""The graph stays while labels change and rows join: ``relabel``, ``add_rows``, ``warm_start``."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._graph.builder import make_graph_builder
from sklearn_wnll._regions import central_points
from sklearn_wnll.datasets import hide_labels

from .clouds import FACTORS, IGNORES_FEW_LABELS, assert_consistent, clouds, examples, normal_classes

pytestmark = IGNORES_FEW_LABELS
quick = examples(12)
session_clouds = clouds(label_weights=("auto", "poisson", *FACTORS))
OPTIONS = (
    {},
    {"class_prior": "labeled"},
    {"class_prior": "labeled", "volume_constraint": True},
    {"class_prior": "estimated"},
    {"estimator": GaussianNB(), "estimator_weight": 0.3},
    {"label_noise": 0.1},
    {"held_out": 3},
    {"metric": "manhattan"},
    {"neighbors": KNeighborsTransformer(n_neighbors=15)},
)
FITTED = (
    "label_distributions_",
    "reached_",
    "temperature_",
    "label_noise_",
    "class_sizes_",
    "held_out_distributions_",
    "held_out_score_",
    "estimator_weight_",
)


@pytest.fixture(scope="module")
def blobs():
    return normal_classes(2000, n_classes=6, n_features=12)


def assert_same(model, fresh, atol=1e-7):
    """Check that two models agree on the fitted rows, and on others."""
    np.testing.assert_array_equal(model.classes_, fresh.classes_)
    assert model.classes_.dtype == fresh.classes_.dtype
    for name in FITTED:
        assert hasattr(model, name) == hasattr(fresh, name), name
        if hasattr(fresh, name):
            one, two = getattr(model, name), getattr(fresh, name)
            np.testing.assert_allclose(one, two, atol=atol, err_msg=name)
    np.testing.assert_allclose(model.graph_.toarray(), fresh.graph_.toarray(), atol=1e-9)
    np.testing.assert_array_equal(model.point_index_, fresh.point_index_)


def assert_same_predictions(model, fresh, X, atol=1e-6):
    for mode in ("transductive", "inductive"):
        one, two = (m.set_params(predict_mode=mode).predict_proba(X) for m in (model, fresh))
        np.testing.assert_allclose(one, two, atol=atol)


def change_labels(y, rng):
    """Remove labels, add others, rename a class, or start again."""
    y, n = y.copy(), len(y)
    y[rng.random(n) < rng.choice([0, 0.2, 1])] = -1
    rows = rng.random(n) < rng.choice([0.05, 0.3, 0.9])
    y[rows] = rng.integers(0, rng.integers(1, 6), rows.sum())
    if rng.random() < 0.3:
        y[y == 1] = 7
    y[:2] = 0, 1  # at least two labels, for folds and for a classifier
    return y


@examples(20)
@given(session_clouds, st.sampled_from(OPTIONS), st.integers(0, 2**32 - 1))
def test_a_history_of_relabellings_ends_where_a_fit_does(cloud, options, seed):
    rng, y = np.random.default_rng(seed), cloud.y
    y[:2] = 0, 1
    params = {**cloud.params, **options, "random_state": 0}
    model = WNLLClassifier(**params).fit(cloud.X, y)
    for step in range(20):
        y = change_labels(y, rng)
        model.relabel(y)
        if step % 7 == 6 or step == 19:
            fresh = WNLLClassifier(**params).fit(cloud.X, y)
            assert_same(model, fresh)
            assert_same_predictions(model, fresh, cloud.X[:5] + 0.3)


@quick
@given(clouds(grid=True), st.integers(0, 2**32 - 1))
def test_a_relabelled_model_is_consistent(cloud, seed):
    y = change_labels(cloud.y, np.random.default_rng(seed))
    model = WNLLClassifier(**cloud.params).fit(cloud.X, cloud.y).relabel(y)
    if (y[y >= 0][:, None] == y[y >= 0]).all() or len(np.unique(cloud.X, axis=0)) == len(cloud.X):
        assert_consistent(model, cloud._replace(y=y))


@examples(20)
@given(session_clouds, st.sampled_from(OPTIONS[:-1]), st.integers(0, 2**32 - 1))
def test_rows_that_join_are_as_if_they_had_been_fitted(cloud, options, seed):
    rng, params = np.random.default_rng(seed), {**cloud.params, **options, "random_state": 0}
    cuts = np.sort(rng.integers(8, len(cloud.X) + 1, 2))
    y = cloud.y.copy()
    y[:2] = 0, 1
    y[cuts[0] :] = -1
    model = WNLLClassifier(**params).fit(cloud.X[: cuts[0]], y[: cuts[0]])
    for part in np.split(cloud.X, cuts)[1:]:
        if len(part):
            model.add_rows(part)
    fresh = WNLLClassifier(**params).fit(cloud.X, y)
    assert_same(model, fresh)
    assert_same_predictions(model, fresh, cloud.X[:5] + 0.3)
    y = change_labels(y, rng)
    assert_same(model.relabel(y), fresh.fit(cloud.X, y))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array], ids=["dense", "sparse"])
def test_rows_that_are_there_already_join_their_points(blobs, convert):
    X, code = blobs
    few = hide_labels(code, 3, random_state=0)
    model = WNLLClassifier(tol=1e-9).fit(convert(X[:300]), few[:300])
    again = np.tile(X[:5], (2, 1))
    model.add_rows(convert(again))
    assert model.graph_.shape == (300, 300)
    np.testing.assert_array_equal(model.point_index_[300:], np.tile(np.arange(5), 2))
    fresh = clone(model).fit(
        convert(np.vstack([X[:300], again])), np.append(few[:300], np.full(10, -1))
    )
    assert_same(model, fresh)


def test_rows_are_rounded_to_the_type_of_the_fitted_ones(blobs):
    X, code = blobs
    model = WNLLClassifier().fit(X[:300], code[:300])
    model.add_rows(X[:3].astype(float) + 1e-12)
    np.testing.assert_array_equal(model.point_index_[300:], [0, 1, 2])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_an_approximate_search_grows_with_the_rows(blobs, metric):
    X, code = blobs
    few = hide_labels(code, 5, random_state=0)
    few[1500:] = -1
    params = {"metric": metric, "neighbors": "approximate", "random_state": 0}
    model = WNLLClassifier(**params).fit(X[:1500], few[:1500])
    exact = WNLLClassifier(metric=metric, neighbors="exact").fit(X, few)
    for start in range(1500, 2000, 100):  # beyond a quarter, new cells are made
        model.add_rows(X[start : start + 100])
    found, true = model.graph_, exact.graph_
    assert (found != 0).multiply(true != 0).nnz > 0.95 * true.nnz
    agree = model.transduction_ == exact.transduction_
    assert agree.mean() > 0.98
    again = pickle.loads(pickle.dumps(model))
    new = X[:50] + np.float32(0.1)
    np.testing.assert_allclose(again.predict_proba(new), model.predict_proba(new), atol=1e-5)
    np.testing.assert_allclose(
        again.add_rows(new).label_distributions_,
        model.add_rows(new).label_distributions_,
        atol=1e-4,
    )


def test_fit_with_warm_start_keeps_the_graph_of_the_same_rows(digits, monkeypatch):
    X, y, _ = digits
    few = hide_labels(y, 3, random_state=0)
    model = WNLLClassifier(warm_start=True, random_state=0).fit(X, few)
    graph = model.graph_
    few[:50] = y[:50]
    assert model.fit(X.copy(), few).graph_ is graph
    fresh = WNLLClassifier(random_state=0).fit(X, few)
    assert_same(model, fresh, atol=1e-4)
    assert model.set_params(n_neighbors=10).fit(X, few).graph_ is not graph


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X[::-1],
        lambda X: X + np.eye(1, X.shape[1]),
        lambda X: np.hstack([X, np.zeros((len(X), 1))]),
        lambda X: X.astype(np.float32),
        sparse.csr_array,
        lambda X: X[:-1],
    ],
    ids=["order", "value", "feature", "type", "sparse", "fewer"],
)
def test_fit_with_warm_start_fits_anew_to_any_other_rows(digits, change):
    X, y, _ = digits
    X, y = X[:200], y[:200]
    model = WNLLClassifier(warm_start=True, n_neighbors=5).fit(X, y)
    graph, other = model.graph_, change(X)
    assert model.fit(other, y[: other.shape[0]]).graph_ is not graph
    assert model.n_features_in_ == other.shape[1]


def test_a_warm_start_shows_the_rows_to_an_estimator_as_they_are(digits):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    params = {"metric": "cosine", "estimator": GaussianNB(), "warm_start": True}
    model = WNLLClassifier(**params, random_state=0).fit(X, few)
    again = model.fit(2 * X, few).estimator_.theta_
    np.testing.assert_allclose(again, clone(model).fit(2 * X, few).estimator_.theta_)


def test_distances_given_as_the_same_keep_the_graph(digits):
    X, y, _ = digits
    few = hide_labels(y, 3, random_state=0)
    D = KNeighborsTransformer(n_neighbors=20).fit_transform(X)
    model = WNLLClassifier(metric="precomputed", warm_start=True).fit(D, few)
    graph = model.graph_
    few[:10] = y[:10]
    assert model.fit(D.copy(), few).graph_ is graph
    np.testing.assert_array_equal(model.relabel(few).transduction_[:10], y[:10])
    with pytest.raises(ValueError, match="add_rows needs features"):
        model.add_rows(D)


@pytest.mark.parametrize("marker", [-1, "-1", None])
def test_without_a_label_only_the_graph_is_there(digits, marker):
    X, y, _ = digits
    nothing = np.full(len(X), marker)
    model = WNLLClassifier(class_prior="labeled", held_out=3, tol=1e-9, random_state=0)
    model.fit(X, nothing)
    assert model.classes_.shape == (0,)
    assert model.label_distributions_.shape == (len(X), 0)
    assert not model.reached_.any()
    for ask in (model.predict, model.predict_proba, model.certainty):
        with pytest.raises(ValueError, match="without any label"):
            ask(X)
    with pytest.raises(ValueError, match="without any label"):
        model.suspect_labels()
    few = hide_labels(y, 5, random_state=0)
    model.relabel(few)
    assert_same(model, clone(model).fit(X, few), atol=1e-4)
    model.relabel(nothing)
    assert not hasattr(model, "transduction_")
    assert not hasattr(model, "held_out_score_")


def test_the_rows_to_label_first_are_in_the_middle_of_the_graphs_regions(digits):
    X, _, _ = digits
    model = WNLLClassifier().fit(np.vstack([X, X[:5]]), np.full(len(X) + 5, -1))
    first = model.suggest_labels(10)
    np.testing.assert_array_equal(first, central_points(model.graph_, 10))
    with pytest.raises(ValueError, match="n must be"):
        model.suggest_labels(0)


def test_labels_of_another_type_may_come(digits):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    words = np.array([None if code < 0 else f"class {code}" for code in few], dtype=object)
    model = WNLLClassifier(random_state=0).fit(X, few)
    expected = model.label_distributions_
    model.relabel(words)
    assert model.classes_[0] == "class 0"
    np.testing.assert_allclose(model.label_distributions_, expected, atol=1e-5)


def test_a_relabelling_that_fails_or_is_interrupted_changes_nothing(digits, monkeypatch):
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    model = WNLLClassifier(held_out=3).fit(X, few)
    before = model.__dict__.copy()
    with pytest.raises(ValueError, match="Inconsistent numbers of samples"):
        model.relabel(few[1:])

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("sklearn_wnll._classifier.find_answer", interrupt)
    for change in (lambda: model.relabel(y), lambda: model.add_rows(X[:9] + 0.5)):
        with pytest.raises(KeyboardInterrupt):
            change()
    assert model.__dict__ == before
    monkeypatch.undo()
    assert model.relabel(few).n_features_in_ == 64


@pytest.mark.parametrize(
    ("params", "change", "message"),
    [
        ({}, {"n_neighbors": 7}, "n_neighbors changed since fit"),
        ({}, {"metric": "cosine", "random_state": 1}, "metric, random_state changed since fit"),
        ({"template_size": 100}, {}, "needs one graph"),
        ({}, {"estimator": LogisticRegression()}, "does not keep"),
    ],
)
def test_what_would_be_another_graph_is_refused(digits, params, change, message):
    X, y, _ = digits
    model = WNLLClassifier(**params).fit(X[:300], y[:300]).set_params(**change)
    with pytest.raises(ValueError, match=message):
        model.relabel(y[:300])
    with pytest.raises(ValueError, match=message):
        model.add_rows(X[300:310])


def test_a_parameter_of_a_transformer_is_one_of_the_graph(digits):
    X, y, _ = digits
    search = KNeighborsTransformer(n_neighbors=15)
    model = WNLLClassifier(neighbors=search, warm_start=True).fit(X[:300], y[:300])
    graph = model.graph_
    model.set_params(neighbors__metric="manhattan")
    with pytest.raises(ValueError, match="neighbors changed since fit"):
        model.relabel(y[:300])
    assert model.fit(X[:300], y[:300]).graph_ is not graph


def test_a_distance_of_ones_own_stays_the_same(digits):
    X, y, _ = digits
    search = make_pipeline(
        StandardScaler(), KNeighborsTransformer(n_neighbors=5, metric=lambda a, b: abs(a - b).max())
    )
    model = WNLLClassifier(neighbors=search, n_neighbors=5).fit(X[:60], y[:60])
    assert model.relabel(y[:60]).score(X[:60], y[:60]) == 1.0
    model.set_params(neighbors__standardscaler__with_mean=False)
    with pytest.raises(ValueError, match="neighbors changed since fit"):
        model.relabel(y[:60])


def test_a_graph_in_several_templates_takes_labels_and_rows_by_fit_only(digits):
    X, y, _ = digits
    model = WNLLClassifier(template_size=300).fit(X[:300], y[:300])
    with pytest.raises(ValueError, match="with template_size=300 a fit would divide 310 rows"):
        model.add_rows(X[300:310])
    with pytest.raises(ValueError, match="template_size=200 divides rows"):
        WNLLClassifier(template_size=200).fit(X[:300], np.full(300, -1))


@pytest.mark.parametrize(("dtype", "offset"), [(np.float32, 1e7), (np.float64, 1e15)])
def test_rows_too_far_from_the_fitted_ones_are_refused(blobs, dtype, offset):
    X, code = blobs
    model = WNLLClassifier().fit((X[:100] + offset).astype(dtype), code[:100])
    with pytest.raises(ValueError, match="too far from the fitted ones"):
        model.add_rows(X[100:200].astype(dtype))
    fitted = WNLLClassifier().fit(X[:100] * 1e-14, code[:100])
    with pytest.raises(ValueError, match="too far from the fitted ones"):
        fitted.add_rows(X[100:200])


@pytest.mark.parametrize("same", [np.int64(15), 15])
def test_equal_values_of_a_parameter_are_the_same(digits, same):
    X, y, _ = digits
    rng = np.random.RandomState(0)
    model = WNLLClassifier(random_state=rng, neighbors="approximate").fit(X, y)
    assert model.set_params(n_neighbors=same).relabel(y).score(X, y) == 1.0


def test_minus_one_may_be_a_float(digits):
    X, _, _ = digits
    for nothing in (np.full(50, -1.0), np.ma.masked_all(50)):
        assert WNLLClassifier().fit(X[:50], nothing).classes_.shape == (0,)


def test_other_parameters_may_change_in_between(digits):
    X, y, _ = digits
    few = hide_labels(y, 3, random_state=0)
    model = WNLLClassifier(random_state=0).fit(X, few)
    params = {"label_weight": "poisson", "class_prior": "labeled", "held_out": 3, "tol": 1e-9}
    model.set_params(**params).relabel(few)
    assert_same(model, clone(model).fit(X, few))
    # A temperature amplifies the solver's errors.
    model.set_params(calibrate=True).relabel(few)
    assert_same(model, clone(model).fit(X, few), atol=1e-4)


def test_rows_of_a_data_frame_join_those_of_one(digits):
    pd = pytest.importorskip("pandas")
    X, y, _ = digits
    few = hide_labels(y, 5, random_state=0)
    few[1700:] = -1
    frame = pd.DataFrame(X).add_prefix("pixel")
    model = WNLLClassifier(estimator=GaussianNB(), metric="cosine", random_state=0)
    model.fit(frame[:1700], few[:1700]).add_rows(frame[1700:])
    fresh = clone(model).fit(frame, few)
    assert_same(model, fresh, atol=1e-4)
    np.testing.assert_array_equal(model.estimator_.feature_names_in_, frame.columns)
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(ValueError, match="Pass rows of that type"),
    ):
        model.add_rows(X[:5] + 0.5)


def test_a_relabelled_graph_is_searched_no_more(digits, monkeypatch):
    X, y, _ = digits
    model = WNLLClassifier(warm_start=True).fit(X, y)

    def search(*args, **kwargs):
        raise AssertionError("a graph is built")

    monkeypatch.setattr("sklearn_wnll._fit_setup.make_graph_builder", search)
    assert make_graph_builder is not search
    model.relabel(hide_labels(y, 5, random_state=0))
    model.fit(X, y)
