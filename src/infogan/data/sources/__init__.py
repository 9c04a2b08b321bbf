"""The data sources; all modules of this package are imported when the sources are listed."""
