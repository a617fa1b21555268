"""Rows in dask collections: templates are fitted, and predict, on workers."""
