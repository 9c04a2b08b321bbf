"""Renderers with known factors: a z-buffer rasteriser in torch, and the shapes that it draws.

Nothing here needs a screen, a driver or a system library. Modules import torch at their top, so whoever only
lists the sources imports them late.
"""
