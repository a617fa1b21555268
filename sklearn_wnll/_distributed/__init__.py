"""Rows in dask collections: templates are fitted, and predict, on the workers that hold the rows."""
