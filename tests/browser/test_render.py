"""Pictures of one image and its masks, of both renderers, against scipy; tolerances are those of render_reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from browser.render_reference import (
    AFFINES,
    AXIAL,
    CORONAL,
    KINDS,
    OBLIQUE,
    PLANES,
    SAGITTAL,
    SHAPE,
    VIEWS,
    Array,
    Look,
    Request,
    bundle,
    check,
    composite,
    draw,
    image_layer,
    labels_of,
    page,
    picture,
    put,
    reference,
    sure,
    volume,
)

__all__ = ["bundle", "page"]


def grid_meta(matrix: Array) -> dict[str, Any]:
    return {"kind": "grid", "affine": matrix.tolist(), "shape": SHAPE}


def expected_request(
    matrix: Array, view: dict[str, Any], center: Array, mm: float, given: Request
) -> Request:
    """The plane of a view, worked out from world coordinates alone."""
    axis = view["axis"]
    right, down = np.array(view["right"]), np.array(view["down"])
    normal = np.cross(right, down)
    inverse = np.linalg.inv(matrix)
    slice_ = np.floor((inverse @ [*center, 1])[axis] + 0.5)
    corner = np.zeros(4)
    corner[axis], corner[3] = slice_, 1
    foot = center - normal * ((center - (matrix @ corner)[:3]) @ normal)
    first = foot - right * mm * (given.width - 1) / 2 - down * mm * (given.height - 1) / 2
    origin = (inverse @ [*first, 1])[:3]
    assert origin[axis] == pytest.approx(slice_, abs=1e-9)
    origin[axis] = slice_
    du, dv = inverse[:3, :3] @ (right * mm), inverse[:3, :3] @ (down * mm)
    du[axis] = dv[axis] = 0
    return Request(origin, du, dv, given.width, given.height)


@pytest.mark.parametrize("name", AFFINES)
def test_views_of_any_grid(page: Page, name: str) -> None:
    matrix, array = AFFINES[name], volume()
    put(page, "image", array)
    wanted = {
        "axial": ((1, 0, 0), (0, 1, 0)),
        "coronal": ((1, 0, 0), (0, 0, -1)),
        "sagittal": ((0, 1, 0), (0, 0, -1)),
    }
    center = (matrix @ [4.3, 11.6, 14.2, 1])[:3]
    axes = set()
    for view_name in VIEWS:
        for mm in (0.233, 0.97):
            given = Request(np.zeros(3), np.zeros(3), np.zeros(3))
            answer = page.evaluate(
                "(a) => view(...a)",
                [grid_meta(matrix), view_name, center.tolist(), mm, given.width, given.height],
            )
            view = answer["view"]
            axes.add(view["axis"])
            right, down = np.array(view["right"]), np.array(view["down"])
            assert right @ right == pytest.approx(1) and down @ down == pytest.approx(1)
            assert right @ down == pytest.approx(0, abs=1e-12)
            assert right @ wanted[view_name][0] > 0.7 and down @ wanted[view_name][1] > 0.7
            made = expected_request(matrix, view, center, mm, given)
            for part in ("origin", "du", "dv"):
                assert answer["plane"][part] == pytest.approx(getattr(made, part), abs=1e-9)
            for interpolate in (True, False):
                check(page, array, made, Look(interpolate=interpolate))
    assert axes == {0, 1, 2}


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_all_dtypes(page: Page, dtype: str, plane: str) -> None:
    array = volume(dtype)
    put(page, "image", array)
    lower, upper = np.percentile(array, [10, 90])
    for look in (Look(lower, upper), Look(lower, upper, invert=True, interpolate=False)):
        check(page, array, PLANES[plane], look)


def test_large_integers_keep_a_narrow_window(page: Page) -> None:
    array = (volume("int32") + 1_900_000_000).astype(np.int32)
    put(page, "image", array)
    check(page, array, OBLIQUE, Look(1_900_000_500.5, 1_900_001_500.5, interpolate=False))
    check(page, array, AXIAL, Look(1_900_000_500.5, 1_900_001_500.5))
    array = (array.astype(np.int64) - 3_800_000_000).astype(np.int32)
    put(page, "image", array)
    check(page, array, CORONAL, Look(-1_899_999_500.0, -1_899_998_500.0))


def test_one_slice(page: Page) -> None:
    array = volume(shape=(1, 23, 31))
    put(page, "image", array)
    flat = Request(np.array([0, -2.13, -3.27]), AXIAL.du, AXIAL.dv)
    for plane in (flat, Request(np.array([-0.7, 9.0, -1.9]), CORONAL.du, np.array([0.031, 0, 0])), OBLIQUE):
        check(page, array, plane, Look())


@pytest.mark.parametrize("plane", PLANES)
def test_colour(page: Page, plane: str) -> None:
    array = volume("uint8", (*SHAPE, 3))
    put(page, "image", array)
    for interpolate in (True, False):
        check(page, array, PLANES[plane], Look(interpolate=interpolate))
    put(page, "image", array, missing=(3, 4))
    check(page, array, PLANES[plane], Look(), missing=(3, 4))


@pytest.mark.parametrize("plane", PLANES)
def test_missing_slices_may_let_through_what_is_below(page: Page, plane: str) -> None:
    array, below = volume(), 900 - volume()[::-1] // 2
    put(page, "image", array, missing=(3, 4))
    put(page, "below", below.astype(np.int16))
    # No colour of its own is the grey of missing voxels.
    purple = [0xFF000000 | n << 16 | n for n in range(256)]
    top = {**image_layer(PLANES[plane], Look()), "table": purple}
    bottom = {**top, "store": "below"}
    for kind in KINDS:
        both, missing = draw(page, kind, PLANES[plane], [bottom, {**top, "gaps": "clear"}])
        grey, under = (draw(page, kind, PLANES[plane], [one])[0] for one in (top, bottom))
        gone = (grey[..., :3] == 24).all(axis=2)
        assert missing and np.array_equal(both, np.where(gone[..., None], under, grey))


@pytest.mark.parametrize("plane", PLANES)
def test_missing_slices_are_grey_until_they_arrive(page: Page, plane: str) -> None:
    array, missing = volume(), (0, 3, 4, 5)
    put(page, "image", array, missing=missing)
    for interpolate in (True, False):
        check(page, array, PLANES[plane], Look(interpolate=interpolate), missing=missing)
    for kind in KINDS:
        assert picture(page, kind, PLANES[plane], Look())[1] is True
    page.evaluate("() => stores.image.arrive(4)")
    check(page, array, PLANES[plane], Look(), missing=(0, 3, 5))
    page.evaluate("() => { for (const k of [0, 3, 5]) stores.image.arrive(k); }")
    check(page, array, PLANES[plane], Look())
    for kind in KINDS:
        assert picture(page, kind, PLANES[plane], Look())[1] is False


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize(("fill", "outline"), [(0.4, False), (0.0, True), (0.35, True)])
def test_masks(page: Page, plane: str, fill: float, outline: bool) -> None:
    request, array = PLANES[plane], volume()
    put(page, "image", array)
    k, j, i = np.indices(SHAPE)
    blobs = np.where((k - 4) ** 2 * 6 + (j - 11) ** 2 + (i - 15) ** 2 < 90, 1, 0) + 2 * (i > 24)
    first = blobs.astype(np.uint8)
    second = np.where(j < 8, 300 + (i // 6), 0).astype(np.uint16)
    second[1] = 0
    put(page, "first", first, mask=True)
    put(page, "second", second, mask=True, missing=(1,))
    colors: tuple[dict[int, tuple[int, int, int]], ...] = (
        {1: (255, 0, 0), 2: (0, 200, 40)},
        {300: (0, 0, 255), 301: (255, 255, 0), 303: (0, 0, 0)},
    )
    look = Look(
        masks=[(name, c, fill, float(outline)) for name, c in zip(("first", "second"), colors, strict=True)]
    )
    good = sure(request.index(), SHAPE, look)
    expected = reference(array, request.index(), look)
    for mask, palette in zip((first, second), colors, strict=True):
        labels, known = labels_of(mask, request)
        expected = composite(expected, labels, palette, fill, outline)
        around = (known[:-2, 1:-1], known[2:, 1:-1], known[1:-1, :-2], known[1:-1, 2:], known[1:-1, 1:-1])
        good &= np.logical_and.reduce(around)
    assert good.mean() > 0.8
    for kind in KINDS:
        shown, missing = picture(page, kind, request, look)
        worst = np.abs(shown - expected).max(axis=-1)
        assert worst[good].max() <= 1, (kind, np.argwhere(good & (worst > 1))[:5])
        assert not missing


@pytest.mark.parametrize("plane", PLANES)
def test_a_changed_mask_is_shown_at_once(page: Page, plane: str) -> None:
    request, array = PLANES[plane], volume()
    put(page, "image", array)
    put(page, "mask", np.zeros(SHAPE, np.uint8), mask=True)
    look = Look(masks=[("mask", {7: (250, 10, 20)}, 1.0, 0.0)])
    mask = np.zeros(SHAPE, np.uint8)
    mask[4] = 7
    empty = {kind: picture(page, kind, request, look)[0] for kind in KINDS}
    page.evaluate("() => { stores.mask.slices[4].fill(7); stores.mask.touch(4); }")
    labels, known = labels_of(mask, request)
    for kind in KINDS:
        shown = picture(page, kind, request, look)[0]
        painted = (shown == (250, 10, 20, 255)).all(axis=-1)
        assert painted.any()
        same = known[1:-1, 1:-1]
        assert ((labels[1:-1, 1:-1] == 7) == painted)[same].all()
    page.evaluate("() => stores.mask.lose(4)")
    for kind in KINDS:
        assert (picture(page, kind, request, look)[0] == empty[kind]).all()


def test_both_renderers_agree_where_rounding_decides(page: Page) -> None:
    array = volume()
    put(page, "image", array)
    ties = (
        Request(np.array([4.5, 0.5, 0.5]), np.array([0, 0, 2.0]), np.array([0, 2.0, 0]), 14, 11),
        Request(np.array([4.0, -0.5, -0.5]), np.array([0, 0, 0.5]), np.array([0, 0.25, 0]), 64, 97),
        Request(np.array([-0.5, 7.5, -0.5]), np.array([0, 0, 0.1]), np.array([0.1, 0, 0]), 311, 91),
        Request(np.array([0.1, 0.2, 0.3]), np.array([0.1, 0, 0.3]), np.array([0.0, 0.2, 0.1]), 80, 90),
    )
    for request in ties:
        for interpolate in (True, False):
            look = Look(interpolate=interpolate)
            cpu, gl = (picture(page, kind, request, look)[0] for kind in KINDS)
            assert np.abs(cpu - gl).max() <= 1
    shown = picture(page, "cpu", ties[0], Look(interpolate=False))[0]
    assert (shown[..., 0] == reference(array, np.floor(ties[0].index() + 0.5), Look())[..., 0]).all()


def test_values_that_are_no_numbers_are_black(page: Page) -> None:
    array = volume("float32")
    array[4, :12] = np.nan
    array[4, 14:, :9] = np.inf
    put(page, "image", array)
    for kind in KINDS:
        shown = picture(
            page,
            kind,
            Request(np.array([4, 0, 0]), AXIAL.du, AXIAL.dv, 40, 40),
            Look(0, 4, interpolate=False),
        )[0]
        assert (shown[:23, :, :3] == 0).all() and (shown[32:, :15, :3] == 255).all()


def test_gl_context_is_shared_and_freed(page: Page) -> None:
    put(page, "image", volume())
    told = page.evaluate(
        """(plane) => {
          const key = Symbol.for("nbannot.gl.1");
          const canvas = document.createElement("canvas");
          const a = nb.createRenderer("webgl2").renderer, b = nb.createRenderer("webgl2").renderer;
          const context = globalThis[key];
          const held = () => context.volumes.size;
          drawPlain(a, canvas, plane); drawPlain(b, canvas, plane);
          const told = [held()];
          a.release(stores.image); told.push(held());
          b.release(stores.image); told.push(held());
          drawPlain(a, canvas, plane);
          const texture = [...context.volumes.values()][0].data;
          a.dispose(); told.push(held(), globalThis[key] === context, context.gl.isTexture(texture));
          b.dispose(); told.push(globalThis[key] === undefined, context.gl.isContextLost());
          return told;
        }""",
        AXIAL.json(),
    )
    assert told == [1, 1, 0, 0, True, False, True, True]


def test_gl_forgets_what_was_drawn_longest_ago(page: Page) -> None:
    arrays = {name: volume(seed=seed) for seed, name in enumerate(("first", "second", "image"))}
    for name, array in arrays.items():
        put(page, name, array)
        check(page, array, AXIAL, Look(), store=name)
    assert page.evaluate("() => globalThis[Symbol.for('nbannot.gl.1')].volumes.size") == 3
    page.evaluate("() => { globalThis[Symbol.for('nbannot.gl.1')].budget = 20000; }")
    put(page, "fourth", arrays["first"])
    for name, array in (("fourth", arrays["first"]), *arrays.items()):
        check(page, array, SAGITTAL, Look(), store=name)
        assert page.evaluate("() => globalThis[Symbol.for('nbannot.gl.1')].volumes.size") == 1


def test_a_lost_context_is_reported_and_another_can_be_made(page: Page) -> None:
    array = volume()
    put(page, "image", array)
    told = page.evaluate(
        """async (plane) => {
          const canvas = document.createElement("canvas");
          let calls = 0;
          const {renderer} = nb.createRenderer("webgl2", {onLost: () => { calls += 1; }});
          drawPlain(renderer, canvas, plane);
          globalThis[Symbol.for("nbannot.gl.1")].gl.getExtension("WEBGL_lose_context").loseContext();
          let reason = "";
          try { drawPlain(renderer, canvas, plane); } catch (error) { reason = error.reason; }
          await new Promise((done) => setTimeout(done, 100));
          const lost = renderer.lost;
          renderer.dispose();
          return [reason, calls, lost];
        }""",
        AXIAL.json(),
    )
    assert told == ["lost", 1, True]
    check(page, array, AXIAL, Look())


def test_too_much_for_the_gpu_is_said(page: Page) -> None:
    put(page, "image", volume("uint8", (4000, 2, 2)))
    message = page.evaluate(
        """(plane) => {
          const {renderer} = nb.createRenderer("webgl2");
          try { drawPlain(renderer, document.createElement("canvas"), plane); }
          catch (error) { return [error.name, error.reason, error.message]; }
          finally { renderer.dispose(); }
        }""",
        AXIAL.json(),
    )
    assert message[:2] == ["RendererError", "limit"]
    assert message[2].startswith("4000 slices of 2 x 2 are more than this GPU holds")


def test_auto_takes_no_software_gl(page: Page) -> None:
    told = page.evaluate(
        """() => {
          const {renderer, note} = nb.createRenderer("auto");
          return [renderer.name, note, globalThis[Symbol.for("nbannot.gl.1")] === undefined];
        }"""
    )
    assert told == ["cpu", "CPU: WebGL2 here runs in software", True]
    told = page.evaluate(
        """() => {
          OffscreenCanvas.prototype.getContext = () => null;
          const {renderer, note} = nb.createRenderer("auto");
          try { nb.createRenderer("webgl2"); }
          catch (error) { return [renderer.name, note, error.reason, error.message]; }
        }"""
    )
    text = "This browser offers no WebGL2; choose the CPU renderer."
    assert told == ["cpu", f"CPU: {text}", "unsupported", text]
