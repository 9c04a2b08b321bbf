"""The page of `infogan explore`: it controls the codes of a trained model and shows real images by code.

A local server computes; the page in `static/` has no dependencies and is used by `infogan export --to html`,
too. Nothing is imported from `infogan.training`.
"""

from infogan.explorer.address import Address
from infogan.explorer.real_images import Images
from infogan.explorer.session import explore

__all__ = ["Address", "Images", "explore"]
