"""A z-buffer rasteriser in torch: shaded triangles to gray images, deterministic to the last bit.

    mesh = Mesh(vertices, triangles)                      # x right, y up, +z towards the camera
    image = render(mesh, size=64, look=Look(light=direction(-40, 20)))

The camera is orthographic, or at the distance that the look gives, on the z axis. A picture shows the square
from -1 to 1 in x and y at z = 0. Larger z hides smaller z. A triangle's front is the side from which its
corners run counter-clockwise.

`render` renders one mesh; `render_batch` many poses or shapes of one topology, much faster per picture. An
image does not depend on the others in its batch, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

_INSIDE = -1e-7
"""Least barycentric coordinate of a covered sample: neighbours overlap by this much, and leave no gap."""

_LEAST_AREA = 1e-12
"""Smaller triangles, in squares of samples, are seen edge-on and cover nothing."""

_FAR = torch.iinfo(torch.int64).max


@dataclass(frozen=True)
class Mesh:
    """A surface of triangles.

    Attributes:
        vertices: float32 [V, 3]; x right, y up, z towards the camera; -1 to 1 is the picture.
        triangles: int64 [T, 3], indices of vertices, counter-clockwise seen from outside.
        albedo: share of light that each triangle reflects, float32 [T], 0..1; None: 1.
    """

    vertices: Float[Tensor, "v 3"]
    triangles: Int64[Tensor, "t 3"]
    albedo: Float[Tensor, " t"] | None = None


@dataclass(frozen=True)
class Look:
    """Lighting, shading and camera.

    The gray value of a front lit at an angle a to its normal is
    albedo * (ambient + (1 - ambient) * max(0, cos a)).

    Attributes:
        light: unit vectors towards the light, float32 [3], or [B, 3] with one for each image of a batch, in
            the camera's axes: it does not turn with the mesh. See `direction`.
        ambient: share of ambient light, 0..1.
        smooth: True: normals are interpolated between the vertices; False: flat shading.
        two_sided: True: both sides of a triangle are rendered as a front, for open meshes and unreliable
            winding; False: backs are culled.
        background: gray value of pixels without a surface, 0..1.
        supersampling: samples per pixel along each axis.
        distance: of the camera from z = 0, in the unit of the vertices, all of which must be nearer to z = 0;
            infinite: orthographic.
    """

    light: Float[Tensor, " *b 3"]
    ambient: float = 0.12
    smooth: bool = True
    two_sided: bool = False
    background: float = 0.0
    supersampling: int = 2
    distance: float = math.inf


def rotation(azimuth_degrees: float, elevation_degrees: float) -> Float[Tensor, "3 3"]:
    """Return the rotation matrix, float32, of an object; use it as `vertices @ matrix.T`.

    At 0, 0 its front, +z, faces the camera. A positive azimuth, applied first, turns it to the right of the
    picture; a positive elevation shows the object from above.
    """
    a, e = math.radians(azimuth_degrees), math.radians(elevation_degrees)
    around_y = [[math.cos(a), 0.0, math.sin(a)], [0.0, 1.0, 0.0], [-math.sin(a), 0.0, math.cos(a)]]
    around_x = [[1.0, 0.0, 0.0], [0.0, math.cos(e), -math.sin(e)], [0.0, math.sin(e), math.cos(e)]]
    return (torch.tensor(around_x, dtype=torch.float64) @ torch.tensor(around_y, dtype=torch.float64)).float()


def direction(azimuth_degrees: float, elevation_degrees: float) -> Float[Tensor, 3]:
    """Return the unit vector, float32, towards a light; at 0, 0 it is in the camera.

    A positive azimuth is on the right of the picture, a positive elevation above.
    """
    a, e = math.radians(azimuth_degrees), math.radians(elevation_degrees)
    return torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def rotate(vertices: Float[Tensor, "b v 3"], rotations: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b v 3"]:
    """Rotate each shape by its matrix; see `rotation`."""
    x, y, z = (vertices[..., axis, None] for axis in range(3))
    # Written out, because the rounding of a matrix product depends on the number of shapes.
    return x * rotations[:, None, :, 0] + y * rotations[:, None, :, 1] + z * rotations[:, None, :, 2]


def render(mesh: Mesh, *, size: int, look: Look) -> Float[Tensor, "size size"]:
    """Render one mesh: float32 [size, size], 0..1; the first row is the top."""
    return render_batch(mesh.vertices[None], mesh.triangles, size=size, look=look, albedo=mesh.albedo)[0]


def render_batch(
    vertices: Float[Tensor, "b v 3"],
    triangles: Int64[Tensor, "t 3"],
    *,
    size: int,
    look: Look,
    albedo: Float[Tensor, " t"] | None = None,
) -> Float[Tensor, "b size size"]:
    """Render many shapes of one topology, one picture each.

    Memory grows by about 200 bytes for each triangle of each shape; batches of about 16 are fastest.

    Args:
        vertices: as in `Mesh`, one set per picture.
        triangles: as in `Mesh`, the same for all.
        size: pixels along each side.
        look: see `Look`; its light may differ between pictures.
        albedo: as in `Mesh`, the same for all.

    Returns:
        float32 [B, size, size], 0..1; the first row is the top.
    """
    count, side = len(vertices), size * look.supersampling
    # Pictures are the last axis, so that the row of a vertex or triangle is contiguous.
    points = vertices.float().permute(1, 2, 0).contiguous()
    if look.distance < math.inf:
        points = points / (1 - points[:, 2:] / look.distance)
    points = points * (side / 2)
    points[:, :2] += (side - 1) / 2  # samples are now at integer columns and rows, rows from below
    corners = [points.index_select(0, triangles[:, k]) for k in range(3)]
    normals = _face_normals(*corners)
    visible = _visible(corners, None if look.two_sided else normals[:, 2] > 0, side)
    if look.distance < math.inf:
        _undo_perspective(normals, corners[0], side, look.distance)
    if look.smooth:
        at_vertices = _vertex_normals(normals, triangles, len(points))
        corner = at_vertices[triangles[visible.face], :, visible.picture[:, None]]
        normal = (corner * visible.weights[:, :, None]).sum(1)
    else:
        normal = normals[visible.face, :, visible.picture]
    shade = _lambert(normal, look.light.to(points).expand(count, 3)[visible.picture], look)
    canvas = torch.full((count * side * side,), look.background, dtype=torch.float32, device=points.device)
    canvas[visible.sample] = shade if albedo is None else shade * albedo.to(shade)[visible.face]
    parts = canvas.view(count, size, look.supersampling, size, look.supersampling)
    return parts.mean((2, 4)).flip(1).clamp(0, 1)


def _lambert(normal: Float[Tensor, "n 3"], light: Float[Tensor, "n 3"], look: Look) -> Float[Tensor, " n"]:
    """Return the light that a white surface reflects; normals need not have length 1."""
    x, y, z = normal.unbind(1)
    length = (x * x + y * y + z * z).sqrt().clamp_min(1e-20)
    cosine = (x * light[:, 0] + y * light[:, 1] + z * light[:, 2]) / length
    if look.two_sided:
        cosine = torch.where(z < 0, -cosine, cosine)
    return look.ambient + (1 - look.ambient) * cosine.clamp_min(0)


def _face_normals(
    a: Float[Tensor, "t 3 b"], b: Float[Tensor, "t 3 b"], c: Float[Tensor, "t 3 b"]
) -> Float[Tensor, "t 3 b"]:
    """Return normals on the front side, whose length is twice the area of the triangle."""
    (px, py, pz), (qx, qy, qz) = (b - a).unbind(1), (c - a).unbind(1)
    normals = torch.empty_like(a)
    torch.sub(py * qz, pz * qy, out=normals[:, 0])
    torch.sub(pz * qx, px * qz, out=normals[:, 1])
    torch.sub(px * qy, py * qx, out=normals[:, 2])
    return normals


def _undo_perspective(
    normals: Float[Tensor, "t 3 b"], corner: Float[Tensor, "t 3 b"], side: int, distance: float
) -> None:
    """Convert normals of projected triangles, in place, to those before the projection.

    A point P of a projected plane m P = k was p = P / (1 + Pz / d), on the plane (m + (0, 0, k / d)) p = k.
    """
    x, y, z = corner.unbind(1)
    middle = (side - 1) / 2
    k = normals[:, 0] * (x - middle) + normals[:, 1] * (y - middle) + normals[:, 2] * z
    normals[:, 2] += k / (distance * side / 2)


def _vertex_normals(
    normals: Float[Tensor, "t 3 b"], triangles: Int64[Tensor, "t 3"], count: int
) -> Float[Tensor, "v 3 b"]:
    """Return the sums of the normals around each vertex: larger triangles have more weight.

    No call adds twice to one vertex, so that the order of the sums, and their last bit, is deterministic.
    """
    corners = triangles.flatten()
    order = corners.argsort(stable=True)
    of_vertex = torch.bincount(corners, minlength=count)
    first = of_vertex.cumsum(0) - of_vertex
    turn = torch.arange(len(order), device=order.device) - first[corners[order]]
    sums = normals.new_zeros(count, *normals.shape[1:])
    for k in range(int(of_vertex.max())):
        chosen = order[turn == k]
        sums.index_add_(0, corners[chosen], normals.index_select(0, chosen // 3))
    return sums


@dataclass(frozen=True)
class _Visible:
    """The visible triangle at each covered sample.

    Attributes:
        sample: the samples, as indices into [B, side, side], rows from below.
        face: the triangle at each.
        picture: the picture of each.
        weights: barycentric coordinates of the sample, float32.
    """

    sample: Int64[Tensor, " n"]
    face: Int64[Tensor, " n"]
    picture: Int64[Tensor, " n"]
    weights: Float[Tensor, "n 3"]


def _visible(corners: list[Float[Tensor, "t 3 b"]], front: Bool[Tensor, "t b"] | None, side: int) -> _Visible:
    """Find the visible triangle at each sample of each picture.

    Args:
        corners: the three corners of each triangle: columns and rows in samples, and z.
        front: the triangles that are rendered; None: all.
        side: samples along each side of a picture.
    """
    face, picture, low, high = _candidates(corners, front, side)
    width = high[:, 0] - low[:, 0] + 1
    area = width * (high[:, 1] - low[:, 1] + 1)
    which = torch.repeat_interleave(torch.arange(len(area), device=area.device), area)
    step = torch.arange(len(which), device=area.device) - (area.cumsum(0) - area)[which]
    column = low[which, 0] + step % width[which]
    row = low[which, 1] + step // width[which]

    points = torch.stack([corner[face, :, picture] for corner in corners], 1).double()[which]
    weights = _barycentric(points, column, row)
    inside = (weights >= _INSIDE).all(1)
    which, weights = which[inside], weights[inside]
    depth = (points[inside, :, 2] * weights).sum(1)
    sample = (picture[which] * side + row[inside]) * side + column[inside]
    winner = _nearest(depth, sample, corners[0].shape[2] * side * side)
    covered = (winner < len(which)).nonzero().squeeze(1)
    winner = winner[covered]
    return _Visible(covered, face[which[winner]], picture[which[winner]], weights[winner].float())


def _candidates(
    corners: list[Float[Tensor, "t 3 b"]], front: Bool[Tensor, "t b"] | None, side: int
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Int64[Tensor, "n 2"], Int64[Tensor, "n 2"]]:
    """Return the triangles whose box contains a sample: triangle, picture, first and last column and row."""
    a, b, c = (corner[:, :2] for corner in corners)
    low = torch.minimum(torch.minimum(a, b), c).ceil_().clamp_min_(0)
    high = torch.maximum(torch.maximum(a, b), c).floor_().clamp_max_(side - 1)
    holds = (high >= low).all(1)  # False for a tiny triangle between the samples
    face, picture = (holds if front is None else holds & front).nonzero().unbind(1)
    return face, picture, low[face, :, picture].long(), high[face, :, picture].long()


def _barycentric(
    corners: Float[Tensor, "n 3 3"], column: Int64[Tensor, " n"], row: Int64[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Return the weights of the three corners at each sample: negative outside, -1 for edge-on triangles."""
    x, y = corners[:, :, 0] - column[:, None], corners[:, :, 1] - row[:, None]
    (xa, xb, xc), (ya, yb, yc) = x.unbind(1), y.unbind(1)
    parts = torch.stack([xb * yc - xc * yb, xc * ya - xa * yc, xa * yb - xb * ya], 1)
    whole = (xb - xa) * (yc - ya) - (xc - xa) * (yb - ya)
    flat = whole.abs() < _LEAST_AREA
    return torch.where(flat[:, None], -1.0, parts / whole[:, None])


def _nearest(
    depth: Float[Tensor, " n"], sample: Int64[Tensor, " n"], samples: int
) -> Int64[Tensor, " samples"]:
    """Return for each sample the candidate with the largest depth, the first among equals; `_FAR` for none.

    Depth and index form one integer, whose minimum does not depend on the order of the candidates.
    """
    bits = (-depth).float().view(torch.int32)
    # The bits of positive floats are in order; of negative ones, all bits but the sign must be inverted.
    behind = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    key = (behind << 32) | torch.arange(len(depth), device=depth.device)
    least = torch.full((samples,), _FAR, device=depth.device).scatter_reduce_(0, sample, key, "amin")
    return torch.where(least == _FAR, _FAR, least & 0xFFFFFFFF)
