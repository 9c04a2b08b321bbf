"""Factors of real images, found before any generator: neighbours, categories, coordinates, components."""
