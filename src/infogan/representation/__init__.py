"""What real images offer before any generator: neighbours, categories, coordinates, components."""
