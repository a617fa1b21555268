"""Held-out labels, temperature and wrong labels: properties of any combination."""

import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension import noise, transduction
from sklearn_wnll._extension.collapse import swallowing_class
from sklearn_wnll._extension.held_out import _make_folds
from sklearn_wnll._extension.noise import find_trust
from sklearn_wnll._extension.temperature import apply_temperature, find_temperature
from sklearn_wnll.exceptions import CollapsedClassesWarning

from .clouds import clouds, examples
from .threads import threads

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.AmbiguousLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.SingleLabelWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
ALL = {"held_out": 3, "calibrate": True, "label_noise": "auto", "random_state": 0}


@parametrize_with_checks(
    [
        WNLLClassifier(held_out=3, calibrate=True, label_noise="auto", class_prior="labeled"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


combinations = st.fixed_dictionaries(
    {
        "held_out": st.sampled_from([2, 5, 1000]),
        "calibrate": st.just(True),
        "label_noise": st.sampled_from([0, 1e-300, 0.1, 0.5, 0.999, "auto"]),
        "label_weight": st.sampled_from(["wnll", "laplace", "poisson", 1e-12, 1e12]),
        "class_prior": st.sampled_from([None, "labeled", "given"]),
        "template_size": st.sampled_from([None, 8]),
        "query_size": st.sampled_from([None, 3]),
        "tol": st.sampled_from([1e-3, 1e-6]),
        "random_state": st.integers(0, 3),
    }
)


def fit(cloud, **params):
    labeled = np.flatnonzero(cloud.y >= 0)
    assume(len(np.unique(cloud.X[labeled], axis=0)) > 1)
    if params.get("class_prior") == "given":
        weights = 10.0 ** -np.arange(len(np.unique(cloud.y[labeled])))
        params["class_prior"] = weights / weights.sum()
    return WNLLClassifier(**{**cloud.params, **params}).fit(cloud.X, cloud.y)


@examples(12)
@given(clouds(grid=True), combinations)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_all_are_distributions_and_fitted_rows_keep_theirs(cloud, params):
    model = fit(cloud, **params)
    new = np.vstack([cloud.X[:5], cloud.X[:5] + 0.3])
    for mode in ("transductive", "inductive"):
        model.set_params(predict_mode=mode)
        np.testing.assert_array_equal(model.predict_proba(cloud.X), model.label_distributions_)
        np.testing.assert_array_equal(model.predict(cloud.X), model.transduction_)
        asked = model.predict_proba(new)
        np.testing.assert_array_equal(asked[:5], model.label_distributions_[:5])
        held_out = model.held_out_distributions_[cloud.y >= 0]
        for u in (asked, model.label_distributions_, held_out):
            assert ((u >= 0) & (u <= 1)).all()
            np.testing.assert_allclose(u.sum(axis=1), 1, rtol=1e-12)
    rows, proposals, strengths = model.suspect_labels(1000, return_proposals=True)
    assert ((strengths > 0) & (strengths <= 1)).all()
    assert (cloud.y[rows] != proposals).all()
    assert 0.009 < model.temperature_ < 10.1
    assert 0 <= model.label_noise_ < 1


@examples(8)
@given(clouds(grid=True), combinations)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_temperature_changes_no_class_and_nothing_that_no_label_reaches(cloud, params):
    warm = fit(cloud, **params)
    plain = clone(warm).set_params(calibrate=False).fit(cloud.X, cloud.y)
    np.testing.assert_array_equal(warm.transduction_, plain.transduction_)
    np.testing.assert_array_equal(warm.reached_, plain.reached_)
    assert warm.held_out_score_ == plain.held_out_score_
    alone = ~warm.reached_
    u, v = warm.label_distributions_, plain.label_distributions_
    np.testing.assert_array_equal(u[alone], v[alone])
    expected = apply_temperature(v[~alone], warm.temperature_)
    np.testing.assert_array_equal(u[~alone], expected)
    for model in (warm, plain):
        model.set_params(predict_mode="inductive")
    np.testing.assert_array_equal(warm.predict(cloud.X + 0.3), plain.predict(cloud.X + 0.3))


@given(
    st.lists(st.sampled_from([0.0, 5e-324, 1e-300, 0.5, 1 - 2**-53, 1.0]), min_size=2, max_size=6),
    st.floats(0.01, 10),
)
def test_the_temperature_keeps_the_largest_probabilities_and_their_ties(values, temperature):
    u = np.array([values])
    assume(u.sum() > 0.1)
    u /= u.sum()
    found = apply_temperature(u, temperature)
    np.testing.assert_array_equal(found == found.max(), u == u.max())
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-12)


def far_apart():
    """Clouds not tied by edges; one row of the second is labelled, and none of the third."""
    X = np.random.default_rng(0).normal(size=(90, 2))
    X += np.repeat([0, 1000, 2000], 30)[:, None]
    y = np.full(90, -1)
    y[:12] = [0, 0, 1] * 4
    y[30] = 1
    return X, y


@pytest.mark.parametrize("prior", [None, [0.9, 0.1]])
def test_where_no_label_reaches_are_the_frequencies_at_any_temperature(prior):
    X, y = far_apart()
    params = {"held_out": 99, "calibrate": True, "random_state": 0}
    model = WNLLClassifier(class_prior=prior, **params).fit(X, y)
    assert model.temperature_ != 1
    expected = [8 / 13, 5 / 13] if prior is None else prior
    lonely = model.label_distributions_[60:]
    np.testing.assert_allclose(lonely, np.tile(expected, (30, 1)), rtol=1e-15)
    np.testing.assert_array_equal(model.predict_proba(X[60:] + 0.01)[0], lonely[0])
    expected = [8 / 12, 4 / 12] if prior is None else prior
    np.testing.assert_allclose(model.held_out_distributions_[30], expected, rtol=1e-15)


@pytest.mark.parametrize("label_noise", [0, "auto", 0.3])
def test_a_label_that_no_other_reaches_is_no_evidence(label_noise):
    X, y = far_apart()
    model = WNLLClassifier(calibrate=True, label_noise=label_noise, random_state=0).fit(X, y)
    assert 30 not in model.suspect_labels(90)
    trust = model._answer.templates.transductions[0].labels.trust
    if trust is not None:
        expected = (1 - trust.noise) ** 1.5 / trust.noise
        np.testing.assert_allclose(trust.strength[-1], expected)


def test_labels_that_reach_no_other_say_nothing_of_noise_and_temperature():
    X = np.random.default_rng(0).normal(size=(60, 2)) + 1000 * (np.arange(60)[:, None] // 12)
    y = np.full(60, -1)
    y[::12] = 0, 1, 0, 1, 0
    model = WNLLClassifier(n_neighbors=5, **ALL).fit(X, y)
    assert (model.label_noise_, model.temperature_) == (0, 1)
    assert not len(model.suspect_labels())


@pytest.mark.parametrize("label_noise", [5e-324, 1e-310, 1e-300, 1 - 2**-53, "auto"])
def test_any_part_of_wrong_labels_has_finite_strengths(label_noise):
    rng = np.random.default_rng(0)
    for n_classes in (2, 3):
        u, codes = rng.dirichlet(np.ones(n_classes), 30), rng.integers(0, n_classes, 30)
        trust = find_trust(u, codes, np.ones(30, dtype=bool), label_noise)
        for mu in (1e-12, 1.0, 1e12):
            assert np.isfinite(trust.fidelity(mu)).all()
        for one_hot in (u, np.eye(n_classes)[codes], 1 - np.eye(n_classes)[codes]):
            assert np.isfinite(find_temperature(one_hot, codes, trust.noise))


def test_a_hundred_thousand_right_labels_have_no_noise(monkeypatch):
    monkeypatch.setattr(noise, "_TEMPERATURES", np.ones(1))  # 25 of them take seconds
    u, codes = np.tile([1.0, 0.0], (100_000, 1)), np.zeros(100_000, dtype=int)
    trust = find_trust(u, codes, np.ones(100_000, dtype=bool), "auto")
    assert trust.noise == 0
    assert np.isfinite(trust.fidelity(1.0)).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows_are_no_collapse_however_many_classes_there_are(n):
    u = np.full((n, 300), 1 / 300)
    u[:, 7] += 1e-6
    assert swallowing_class(u / u.sum(axis=1, keepdims=True), np.arange(n)) is None


def test_a_swallowing_date_is_named_as_a_date():
    rng = np.random.default_rng(0)
    X, y = np.vstack([rng.normal(size=(300, 9)), np.full((1, 9), 9.0)]), np.full(301, "NaT")
    y = y.astype("M8[ns]")
    y[0], y[1] = np.datetime64("2020-01-01"), np.datetime64("2021-01-01")
    with pytest.warns(CollapsedClassesWarning, match=r"to be 202\d-01-01"):
        WNLLClassifier(label_weight="laplace").fit(X, y)


def test_parameters_set_after_fit_change_nothing_that_is_fitted(few_digits):
    X, few = few_digits
    model = WNLLClassifier(random_state=0).fit(X, few)
    said, suspects = model.predict_proba(X), model.suspect_labels(20, return_proposals=True)
    later = {"label_weight": "laplace", "class_prior": "labeled", "n_neighbors": 3, "max_iter": 1}
    model.set_params(**{**later, **ALL, "random_state": 5, "held_out": 20, "tol": 1e-2})
    np.testing.assert_array_equal(model.predict_proba(X), said)
    for one, other in zip(model.suspect_labels(20, return_proposals=True), suspects, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("tol", [1e-4, 1e-2, 1.0])
def test_a_loose_tolerance_lets_no_label_into_its_own_held_out_distribution(few_digits, tol):
    X, few = few_digits
    labeled = few >= 0
    few = np.where(labeled, np.random.default_rng(0).permutation(600) % 10, -1)
    loose, tight = (
        WNLLClassifier(held_out=5, random_state=0, tol=each).fit(X, few) for each in (tol, 1e-10)
    )
    difference = loose.held_out_distributions_ - tight.held_out_distributions_
    assert np.abs(difference[labeled]).max() < 0.05


@pytest.mark.filterwarnings("ignore:The solver stopped:sklearn.exceptions.ConvergenceWarning")
def test_copies_say_the_same(few_digits):
    model = WNLLClassifier(**ALL).fit(*few_digits)
    said = model.suspect_labels(20, return_proposals=True)
    for other in (copy(model), deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert vars(other).keys() == vars(model).keys()
        for one, two in zip(other.suspect_labels(20, return_proposals=True), said, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("size", [None, 200])
def test_threads_and_jobs_change_no_bit(few_digits, size):
    models = []
    for n_threads, n_jobs in ((1, None), (4, None), (1, size and 2)):
        with threads(n_threads), parallel_config("threading"):
            model = WNLLClassifier(**ALL, template_size=size, n_jobs=n_jobs)
            models.append(model.fit(*few_digits))
    for name in ("label_distributions_", "held_out_distributions_", "temperature_", "label_noise_"):
        for model in models[1:]:
            np.testing.assert_array_equal(getattr(model, name), getattr(models[0], name))


def test_suspects_are_those_of_one_fit_while_another_thread_fits(few_digits):
    X, few = few_digits
    names = np.where(few >= 0, few, -1)
    other = np.where(few >= 0, few + 100, -1)
    model = WNLLClassifier(random_state=0).fit(X, names)
    with ThreadPoolExecutor(2) as pool:
        refits = [pool.submit(model.fit, X, [names, other][i % 2]) for i in range(12)]
        said = [pool.submit(model.suspect_labels, 50, return_proposals=True) for _ in range(12)]
        answers = [one.result() for one in said]
        assert all(one.result() is model for one in refits)
    known = [WNLLClassifier(random_state=0).fit(X, y).suspect_labels(50, return_proposals=True)
             for y in (names, other)]  # fmt: skip
    for answer in answers:
        assert any(
            all(np.array_equal(a, b) for a, b in zip(answer, one, strict=True)) for one in known
        )


@pytest.mark.parametrize("stop", ["in the trust", "in the held-out solves"])
def test_an_interrupted_fit_leaves_the_estimator_as_it_was(few_digits, monkeypatch, stop):
    X, few = few_digits
    fitted, new = WNLLClassifier(**ALL).fit(X, few), WNLLClassifier(**ALL)
    before, said = dict(vars(fitted)), fitted.predict_proba(X)
    solves = [0]
    plain = transduction.harmonic_extension

    def interrupted(*args, **kwargs):
        solves[0] += 1
        if solves[0] == {"in the trust": 3, "in the held-out solves": 9}[stop]:
            raise KeyboardInterrupt
        return plain(*args, **kwargs)

    monkeypatch.setattr(transduction, "harmonic_extension", interrupted)
    for model in (fitted, new):
        solves[0] = 0
        with pytest.raises(KeyboardInterrupt):
            model.fit(X[:300], few[:300])
    monkeypatch.undo()
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(X), said)
    assert vars(new) == new.get_params(deep=False)


def test_folds_of_one_label_each_hold_no_copies_of_all_labels(few_digits):
    answer = WNLLClassifier(random_state=0).fit(*few_digits)._answer
    tracemalloc.start()
    folds = _make_folds(answer.templates, answer.labels, 1000)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(folds) == len(answer.labels.rows)
    assert size < len(folds) * answer.labels.codes.nbytes / 4


def test_each_warning_of_a_fit_is_said_once():
    X, y = far_apart()
    y[12] = 2  # alone in its class
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        WNLLClassifier(**ALL).fit(X, y)
    names = [one.category.__name__ for one in caught]
    assert sorted(names) == ["SingleLabelWarning", "UnreachedPointsWarning"]
    assert {one.filename for one in caught} == {__file__}
