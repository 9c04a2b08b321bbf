"""Renderers with known factors: a z-buffer rasteriser in torch, and models of faces, chairs and sprites.

No screen, driver or system library is needed. Modules import torch at the top: import them only when needed.
"""
