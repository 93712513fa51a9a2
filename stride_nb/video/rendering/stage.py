"""The place where people are filmed: floor, walls, furniture, light; and the camera that films it.

Drawn by VTK through PyVista, in software where there is no GPU and no display.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy.random import Generator

from stride_nb.errors import require
from stride_nb.poses.geometry import Camera
from stride_nb.smpl.surface import compute_vertex_normals
from stride_nb.video.rendering.body import AnnyBody

__all__ = ["NEAR_FAR", "Stage"]

NEAR_FAR = (0.25, 40.0)
"""Metres: what is nearer or farther is not drawn."""
_TEXTURE = 256  # texels along a side
_SHADOW = 0.55  # of the floor's brightness

Image = UInt8[np.ndarray, "H W 3"]


class Stage:
    """A room, lit at random, with one body or several boxes in it at a time.

    Args:
        size: width and height of the pictures, px.
        rng: draws the room.
        middle: metres, the floor below the motion's middle.
        reach: metres from there to the walls, at least.
    """

    def __init__(
        self,
        size: tuple[int, int],
        rng: Generator,
        middle: Float[np.ndarray, " 3"],
        reach: float,
    ):
        self._pv = require("pyvista", "render")
        self._plotter = self._pv.Plotter(off_screen=True, window_size=list(size), lighting="none")
        self._plotter.disable_anti_aliasing()
        self._light = _draw_lights(self._plotter, self._pv, rng)
        self._room = self._build_room(rng, middle, reach)
        self._bodies: dict[int, tuple[Any, Any, Any]] = {}
        self._boxes: list[Any] = []

    def _build_room(self, rng: Generator, middle: np.ndarray, reach: float) -> list[Any]:
        """Floor, four walls, and a few pieces of furniture along them."""
        floor_colour = rng.uniform(0.25, 0.75) * rng.uniform(0.8, 1.1, 3)
        self._shadow_colour = np.clip(_SHADOW * floor_colour, 0, 1)
        actors = [self._add_plane(rng, middle, (0, 1, 0), 4 * reach, floor_colour)]
        wall_colour = rng.uniform(0.35, 0.9) * rng.uniform(0.85, 1.1, 3)
        for angle in np.arange(4) * np.pi / 2 + rng.uniform(0, np.pi / 2):
            inward = np.array([np.sin(angle), 0, np.cos(angle)])
            centre = middle - inward * (reach + rng.uniform(0, 1.5)) + (0, 2.0, 0)
            actors.append(self._add_plane(rng, centre, inward, 4 * reach, wall_colour))
        for _ in range(rng.integers(3, 9)):
            angle, far = rng.uniform(0, 2 * np.pi), reach * rng.uniform(0.8, 1.0)
            half = rng.uniform((0.15, 0.2, 0.15), (0.7, 1.0, 0.5))
            centre = middle + (far * np.sin(angle), half[1], far * np.cos(angle))
            box = self._make_cube(centre, 2 * half)
            box = box.rotate_y(np.degrees(rng.uniform(0, np.pi)), point=tuple(centre))
            colour = np.clip(rng.uniform(0.1, 0.9) + rng.normal(0, 0.12, 3), 0, 1)
            actors.append(self._plotter.add_mesh(box, color=colour, smooth_shading=False))
        return actors

    def _add_plane(self, rng: Generator, centre, normal, size: float, colour) -> Any:
        plane = self._pv.Plane(
            center=tuple(centre), direction=tuple(normal), i_size=size, j_size=size
        )
        plane.active_texture_coordinates *= size / rng.uniform(1.0, 3.0)
        texture = self._pv.Texture(_draw_texture(rng, np.asarray(colour)))
        texture.repeat = True
        return self._plotter.add_mesh(plane, texture=texture, ambient=0.4)

    def _make_cube(self, centre: np.ndarray, size: np.ndarray) -> Any:
        return self._pv.Cube(
            center=tuple(centre), x_length=size[0], y_length=size[1], z_length=size[2], clean=False
        )

    def add_body(self, body: AnnyBody) -> None:
        """Bring a body in; it is drawn where ``draw`` is told its vertices."""
        mesh = self._pv.PolyData(body.vertices, _list_cells(body.faces))
        mesh.point_data["rgb"] = np.round(255 * body.colours).astype(np.uint8)
        mesh.point_data["Normals"] = compute_vertex_normals(body.vertices, body.faces)
        mesh.point_data.active_normals_name = "Normals"
        actor = self._plotter.add_mesh(
            mesh, scalars="rgb", rgb=True, smooth_shading=True, ambient=0.4, specular=0.05
        )
        # every second triangle would leave holes; every vertex counts, so the shadow has them all
        shadow = self._pv.PolyData(body.vertices.copy(), _list_cells(body.faces))
        dark = self._plotter.add_mesh(
            shadow, color=self._shadow_colour, lighting=False, smooth_shading=False
        )
        self._bodies[id(body)] = (mesh, actor, (shadow, dark))

    def add_box(self, size: Float[np.ndarray, " 3"], rng: Generator) -> int:
        """Bring a box in, metres along its own axes; its number."""
        texture = self._pv.Texture(_draw_texture(rng, rng.uniform(0.15, 0.85, 3)))
        mesh = self._make_cube(np.zeros(3), size).texture_map_to_plane()
        actor = self._plotter.add_mesh(mesh, texture=texture, ambient=0.4, smooth_shading=False)
        self._boxes.append(actor)
        return len(self._boxes) - 1

    def draw(
        self,
        camera: Camera,
        bodies: Sequence[tuple[AnnyBody, Float[np.ndarray, "V 3"]]] = (),
        boxes: Sequence[tuple[int, Float[np.ndarray, "3 4"]]] = (),
        with_room: bool = True,
    ) -> tuple[Image, Float[np.ndarray, "H W"]]:
        """The picture, and its depth as VTK's buffer has it, 1 where nothing is.

        Args:
            bodies: with their vertices, metres, world.
            boxes: with their places: axes and centre, world.
        """
        for actor in self._room:
            actor.visibility = with_room
        self._place_bodies(bodies, with_room)
        shown = dict(boxes)
        for number, actor in enumerate(self._boxes):
            actor.visibility = number in shown
            if number in shown:
                actor.user_matrix = np.vstack([shown[number], (0, 0, 0, 1)])
        self._aim(camera)
        self._plotter.render_window.Render()
        return self._grab(camera.size)

    def _place_bodies(self, bodies, with_shadow: bool) -> None:
        given = {id(body): vertices for body, vertices in bodies}
        for key, (mesh, actor, (shadow, dark)) in self._bodies.items():
            actor.visibility = key in given
            dark.visibility = with_shadow and key in given
            if key in given:
                vertices = given[key]
                faces = mesh.regular_faces
                mesh.points = vertices
                mesh.point_data["Normals"] = compute_vertex_normals(vertices, faces)
                cast = vertices - vertices[:, 1:2] * (self._light / self._light[1])
                cast[:, 1] = 0.004
                shadow.points = cast

    def _aim(self, camera: Camera) -> None:
        _, down, ahead = camera.R
        eye = camera.to_world(np.zeros(3))
        view = self._plotter.camera
        view.position, view.focal_point, view.up = tuple(eye), tuple(eye + ahead), tuple(-down)
        view.view_angle = float(np.degrees(2 * np.arctan(camera.size[1] / 2 / camera.focal[1])))
        view.clipping_range = NEAR_FAR

    def _grab(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        vtk, to_numpy = require("vtkmodules.vtkCommonCore", "render"), self._pv.convert_array
        window, (w, h) = self._plotter.render_window, size
        colours, depths = vtk.vtkUnsignedCharArray(), vtk.vtkFloatArray()
        window.GetRGBACharPixelData(0, 0, w - 1, h - 1, 0, colours)
        window.GetZbufferData(0, 0, w - 1, h - 1, depths)
        image = to_numpy(colours).reshape(h, w, 4)[::-1, :, :3].copy()
        return image, to_numpy(depths).reshape(h, w)[::-1].copy()

    def close(self) -> None:
        """Free what VTK holds."""
        self._plotter.close()


def _draw_lights(plotter: Any, pv: Any, rng: Generator) -> np.ndarray:
    """Three lamps and a light at the camera; the direction (unit) to the brightest lamp."""
    direction = None
    for strength in (rng.uniform(0.55, 0.8), rng.uniform(0.2, 0.45), rng.uniform(0.0, 0.25)):
        azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 2.0)
        towards = np.array([np.sin(azimuth), height, np.cos(azimuth)])
        colour = np.clip(rng.normal(1, 0.05, 3), 0, 1)
        light = pv.Light(position=tuple(10 * towards), color=colour, light_type="scene light")
        light.intensity = strength
        plotter.add_light(light)
        direction = towards / np.linalg.norm(towards) if direction is None else direction
    fill = pv.Light(light_type="headlight")
    fill.intensity = rng.uniform(0.1, 0.3)
    plotter.add_light(fill)
    return direction


def _draw_texture(rng: Generator, colour: np.ndarray) -> UInt8[np.ndarray, "H W 3"]:
    """Planks, tiles or plaster: blurred noise, with lines or without."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(rng.normal(size=(_TEXTURE, _TEXTURE)), rng.uniform(1, 12), mode="wrap")
    shade = 1 + rng.uniform(0.02, 0.2) * noise / noise.std()
    lines = rng.integers(0, 9)
    if lines > 2:
        grid = np.arange(_TEXTURE) % (_TEXTURE // lines) < 3
        shade[grid] *= rng.uniform(0.6, 1)
        if rng.random() < 0.5:
            shade[:, grid] *= rng.uniform(0.6, 1)
    return np.clip(255 * shade[..., None] * colour, 0, 255).astype(np.uint8)


def _list_cells(faces: np.ndarray) -> np.ndarray:
    """VTK's list of cells: each triangle behind its number of corners."""
    return np.insert(faces, 0, 3, axis=1).ravel()
