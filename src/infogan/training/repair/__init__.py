"""Category repair: merged or split categories are found and re-partitioned while a run trains."""
