"""What the displays have in common: matplotlib on demand, colours and shapes."""

from types import ModuleType

__all__ = ["COLORS", "LINES", "MARKERS", "import_pyplot", "in_percent"]

# The colours of M. Okabe and K. Ito, which colour-blind people can tell apart, with grey in the
# place of black, and two of P. Tol's, so that ten classes differ in colour. There is one shape
# less, so that 90 pairs of colour and shape come before any is repeated.
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
    "#666666",
    "#882255",
    "#332288",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINES = ("-", "--", "-.", ":")


def import_pyplot(caller: str) -> ModuleType:
    """Import matplotlib's pyplot: not before something is drawn.

    Parameters
    ----------
    caller : str
        What needs it.

    Returns
    -------
    module
        ``matplotlib.pyplot``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{caller} needs matplotlib: pip install "sklearn-wnll[plot]".'
        ) from error
    return plt


def in_percent(value: float, position: float | None = None) -> str:
    """Write a fraction in percent, as matplotlib's axes ask for it.

    Parameters
    ----------
    value : float
        The fraction.
    position : float, default=None
        Of the tick; not used.

    Returns
    -------
    str
        The percentage.

    Examples
    --------
    >>> in_percent(0.5), in_percent(0.975)
    ('50 %', '97.5 %')
    """
    return f"{100 * value:.4g} %"
