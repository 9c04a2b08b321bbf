"""Data sources, one file per family. A new one is a new file here: `infogan.data.source` shows how."""
