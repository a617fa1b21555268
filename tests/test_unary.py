"""Distributions that pull at unlabelled points: the linear system, and its bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sklearn_wnll import WNLLClassifier
from sklearn_wnll._extension.system import Unary, harmonic_extension

from .clouds import clouds, examples
from .reference import dense_weights, eliminate

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.CollapsedClassesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.FewLabelsWarning"),
    pytest.mark.filterwarnings("ignore::sklearn_wnll.exceptions.UnreachedPointsWarning"),
]
quick = examples(15)


@st.composite
def problems(draw):
    """Draw a graph of one or two components, labels on the first, and a unary term."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(draw(st.integers(12, 50)), 2))
    far = np.arange(len(X)) % 2 == 0
    X[far] += draw(st.sampled_from([1.0, 1e3]))
    labeled = (rng.random(len(X)) < 0.2) & ~far
    labeled[1] = True
    strength = draw(st.sampled_from([1e-3, 0.1, 3.0])) * rng.uniform(0.5, 2, len(X))
    unary = Unary(rng.dirichlet(np.ones(3), len(X)), strength)
    return dense_weights(X, 6, 4), labeled, rng.dirichlet(np.ones(3), labeled.sum()), unary


def extend(W, labeled, g, unary, mu=3.0, **params):
    options = {"mu": mu, "tol": 1e-13, "max_iter": 5000, **params}
    return harmonic_extension(sparse.csr_array(W), labeled, g, g[0], unary=unary, **options)


@quick
@given(problems())
def test_the_extension_beside_a_unary_term_agrees_with_the_dense_reference(problem):
    W, labeled, g, unary = problem
    free = ~labeled
    to_labels = (W + 3.0 * W.T)[np.ix_(free, labeled)]
    pull = (unary.strength * (W + W.T).sum(axis=1))[free]
    right = to_labels @ g + pull[:, None] * unary.p[free]
    expected = eliminate((W + W.T)[np.ix_(free, free)], to_labels.sum(axis=1) + pull, right)
    found = extend(W, labeled, g, unary)
    assert found.reached.all()
    np.testing.assert_allclose(found.u[free], expected, atol=1e-9)
    np.testing.assert_array_equal(found.u[labeled], g)


@quick
@given(problems())
def test_values_stay_between_those_of_the_labels_and_of_the_unary_term(problem):
    W, labeled, g, unary = problem
    u, given_values = extend(W, labeled, g, unary).u, np.vstack([g, unary.p])
    assert (u >= given_values.min(axis=0) - 1e-12).all()
    assert (u <= given_values.max(axis=0) + 1e-12).all()


@quick
@given(problems())
def test_a_weak_pull_changes_nothing_and_a_strong_one_gives_the_unary_term(problem):
    W, labeled, g, unary = problem
    plain = extend(W, labeled, g, None)
    ones = np.ones(len(W))
    weak = extend(W, labeled, g, unary._replace(strength=1e-9 * ones))
    strong = extend(W, labeled, g, unary._replace(strength=1e9 * ones))
    np.testing.assert_allclose(weak.u[plain.reached], plain.u[plain.reached], atol=1e-6)
    np.testing.assert_allclose(strong.u[~labeled], unary.p[~labeled], atol=1e-6)


@quick
@given(problems())
def test_without_strength_a_term_reaches_no_point(problem):
    W, labeled, g, unary = problem
    plain, none = (
        extend(W, labeled, g, term) for term in (None, unary._replace(strength=np.zeros(len(W))))
    )
    np.testing.assert_array_equal(none.reached, plain.reached)
    np.testing.assert_allclose(none.u, plain.u, atol=1e-12)


@quick
@given(clouds(), st.sampled_from([0.05, 1.0]))
def test_new_points_with_a_term_of_their_own_get_what_a_graph_of_all_gives(cloud, strength):
    model = WNLLClassifier(**cloud.params).fit(cloud.X, cloud.y)
    templates, n_classes = model._answer.templates, len(model.classes_)
    rng = np.random.default_rng(len(cloud.y))
    n, new = len(cloud.X), cloud.X[:5] + 0.3
    both = Unary(rng.dirichlet(np.ones(n_classes), n + 5), np.full(n + 5, strength))
    beside = templates.beside([both[:n]])
    W = beside.transductions[0].graph.add_queries(new)
    joined = beside.transductions[0].joined(W, beside.extender, both[n:])
    again = WNLLClassifier(**cloud.params).fit(
        np.vstack([cloud.X, new]), np.append(cloud.y, [-1] * 5)
    )
    whole = again._answer.templates.beside([both]).transductions[0]
    np.testing.assert_allclose(joined.u, whole.extension.u[n:], atol=1e-8)
