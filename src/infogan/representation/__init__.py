"""Learn from real images, without a generator: neighbours, categories, coordinates, components."""
