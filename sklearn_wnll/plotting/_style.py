"""Common parts of the displays: matplotlib on demand, colours and markers."""

from types import ModuleType

__all__ = ["COLORS", "LINES", "MARKERS", "import_pyplot", "in_percent"]

# The colours of M. Okabe and K. Ito, which colour-blind people can distinguish, with grey instead
# of black, and two of P. Tol's: ten colours for ten classes. With nine markers, 90 pairs of colour
# and marker come before any is repeated.
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
    """Import matplotlib's pyplot, only when something is drawn.

    Parameters
    ----------
    caller : str
        Name of the caller, for the error.

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
    """Write a fraction in percent, as a formatter of matplotlib's axes.

    Parameters
    ----------
    value : float
        The fraction.
    position : float, default=None
        Position of the tick; not used.

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
