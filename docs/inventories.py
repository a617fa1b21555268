"""Write the inventories of other projects' documentation: ``python docs/inventories.py``.

An inventory lists the objects in a documentation and their pages. Those in ``_inventories/`` are
written from the names in the installed packages and each project's scheme of addresses, so the
build needs no network. They hold the names that our pages and docstrings may use.
"""

import importlib
import inspect
import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "_inventories"

# Modules of scikit-learn with a page for each class, and those with one for each function, too.
SKLEARN_CLASSES = """
calibration cluster compose covariance cross_decomposition datasets decomposition
discriminant_analysis dummy ensemble exceptions feature_extraction feature_extraction.image
feature_extraction.text feature_selection frozen gaussian_process impute inspection isotonic
kernel_approximation linear_model manifold metrics mixture model_selection multiclass multioutput
naive_bayes neighbors neural_network pipeline preprocessing random_projection semi_supervised svm
tree
"""
SKLEARN_FUNCTIONS = """
calibration compose datasets inspection metrics model_selection pipeline preprocessing
"""
SKLEARN_OTHERS = """
base.BaseEstimator base.ClassifierMixin base.ClusterMixin base.RegressorMixin base.TransformerMixin
base.clone base.is_classifier config_context experimental.enable_halving_search_cv get_config
metrics.pairwise.cosine_similarity metrics.pairwise.rbf_kernel neighbors.kneighbors_graph
set_config utils.Bunch utils.check_random_state utils.estimator_checks.check_estimator
utils.estimator_checks.parametrize_with_checks utils.validation.check_is_fitted
"""
NUMPY = """
allclose arange argmax argsort array asarray column_stack concatenate full isin isnan load
ndarray nonzero ones save savez sqrt stack unique vstack where zeros ma.filled ma.getdata
"""
NUMPY_ELSEWHERE = {
    "numpy.lib.recfunctions.structured_to_unstructured": "user/basics.rec.html",
    "numpy.ma.MaskedArray": "reference/maskedarray.baseclass.html",
    "numpy.nan": "reference/constants.html",
    "numpy.random.Generator": "reference/random/generator.html",
    "numpy.random.RandomState": "reference/random/legacy.html",
}
SCIPY = """
interpolate.griddata sparse.coo_array sparse.csc_array sparse.csr_array sparse.csr_matrix
sparse.csgraph.connected_components sparse.linalg.cg sparse.linalg.eigsh spatial.distance.cdist
stats.entropy
"""
TORCH = """
Generator argmax arange as_tensor autograd.gradcheck.gradcheck cat cuda.is_available from_numpy load
manual_seed no_grad save set_num_threads softmax stack tensor use_deterministic_algorithms
nn.AdaptiveAvgPool2d nn.BatchNorm1d nn.BatchNorm2d nn.Conv2d nn.CrossEntropyLoss nn.Dropout
nn.Flatten nn.Identity nn.Linear nn.Module nn.ReLU nn.Sequential optim.Adam optim.AdamW optim.SGD
optim.lr_scheduler.CosineAnnealingLR optim.lr_scheduler.StepLR
"""
TORCH_ELSEWHERE = {
    "torch.Tensor": "tensors.html",
    "torch.autocast": "amp.html",
    "torch.device": "tensor_attributes.html",
    "torch.dtype": "tensor_attributes.html",
    "torch.utils.data.DataLoader": "data.html",
    "torch.utils.data.Dataset": "data.html",
}
SKORCH = """
callbacks.Callback callbacks.Checkpoint callbacks.EarlyStopping callbacks.EpochScoring
callbacks.EpochTimer callbacks.LRScheduler callbacks.LoadInitState callbacks.PrintLog
callbacks.ProgressBar classifier.NeuralNetClassifier dataset.ValidSplit helper.SliceDataset
helper.predefined_split history.History net.NeuralNet
"""
JOBLIB = "Memory Parallel delayed dump hash load parallel_backend parallel_config"


def own_pages(package, names, page):
    """Map objects to their own pages."""
    full = [f"{package}.{name}" for name in names]
    return {name: page.format(name) for name in full}


def sklearn_names():
    """List the public names of scikit-learn with a page."""
    importlib.import_module("sklearn.experimental.enable_halving_search_cv")
    with_functions = SKLEARN_FUNCTIONS.split()
    names = SKLEARN_OTHERS.split()
    for module in SKLEARN_CLASSES.split():
        for name in public_names(f"sklearn.{module}"):
            found = find(f"sklearn.{module}.{name}")
            if inspect.isclass(found) or (inspect.isfunction(found) and module in with_functions):
                names.append(f"{module}.{name}")
    return names


def public_names(module):
    """List the names in a module's ``__all__`` or, without it, those that it defines."""
    module = importlib.import_module(module)
    defined = [
        name
        for name, found in vars(module).items()
        if not name.startswith("_") and getattr(found, "__module__", None) == module.__name__
    ]
    return getattr(module, "__all__", defined)


def find(name):
    """Find an object by name."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ModuleNotFoundError, AttributeError):
        return importlib.import_module(name)


def role(name):
    """Return the role of an object in a documentation."""
    found = find(name)
    if inspect.isclass(found):
        return "class"
    if inspect.ismodule(found):
        return "module"
    return "function" if callable(found) else "data"


def write(project, version, pages):
    """Write an inventory in the format of Sphinx."""
    head = (
        "# Sphinx inventory version 2\n"
        f"# Project: {project}\n# Version: {version}\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    lines = [f"{name} py:{role(name)} 1 {page}#$ -\n" for name, page in sorted(pages.items())]
    body = zlib.compress("".join(lines).encode(), 9)
    (FOLDER / f"{project}.inv").write_bytes(head.encode() + body)
    print(f"{project}: {len(lines)} names")


def main():
    """Write all inventories."""
    numpy_pages = own_pages("numpy", NUMPY.split(), "reference/generated/{}.html")
    torch_pages = own_pages("torch", TORCH.split(), "generated/{}.html") | TORCH_ELSEWHERE
    skorch_pages = {f"skorch.{name}": f"{name.split('.')[0]}.html" for name in SKORCH.split()}
    pages = {
        "sklearn": own_pages("sklearn", sklearn_names(), "modules/generated/{}.html"),
        "numpy": numpy_pages | NUMPY_ELSEWHERE,
        "scipy": own_pages("scipy", SCIPY.split(), "reference/generated/{}.html"),
        "torch": torch_pages,
        "skorch": skorch_pages,
        "joblib": own_pages("joblib", JOBLIB.split(), "generated/{}.html"),
    }
    for package, entries in pages.items():
        write(package, importlib.import_module(package).__version__, entries)


if __name__ == "__main__":
    main()
