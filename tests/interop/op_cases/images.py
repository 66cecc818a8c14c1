# SPDX-License-Identifier: Apache-2.0
"""Images: colours, crops, patches, dilation, boxes."""
import struct
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

R = tf.raw_ops


def cases(s):
    pngs(s)
    unit = lambda shape, dtype="float32", seed=1: s.rand(shape, dtype, 0, 1, seed)
    for dt in s.floats:
        def colors(dt=dt):
            x = unit([2, 3, 3], dt)
            return s.with_grads(R.RGBToHSV(images=x), [x]) + [R.HSVToRGB(images=x)]
        s.add("colors_%s" % dt, colors)
    ties = [[0, 0, 0], [1, 1, 1], [.5, .5, .2], [.2, .5, .5], [.5, .2, .5], [.3, .3, .3], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, .5, .5]]
    s.add("colors_ties", lambda: [R.RGBToHSV(images=s.arg(ties)), R.HSVToRGB(images=s.arg(ties)), R.HSVToRGB(images=s.arg([[1.0, 1, 1], [0, 1, 1], [.999, .5, 2]]))])
    s.add("colors_bad", lambda: R.RGBToHSV(images=s.arg(np.zeros([2, 4]), known=False)))
    for dt in ("float32", "float16"):
        for delta in (0.1, -0.3, 0.0, 0.9):
            s.add("AdjustHue_%s_%g" % (dt, delta), lambda dt=dt, delta=delta: R.AdjustHue(images=unit([2, 4, 3, 3], dt), delta=tf.constant(delta)))
        for scale in (0.5, 1.5, 0.0, 4.0):
            s.add("AdjustSaturation_%s_%g" % (dt, scale), lambda dt=dt, scale=scale: R.AdjustSaturation(images=unit([4, 3, 3], dt), scale=tf.constant(scale)))
            s.add("AdjustContrast_%s_%g" % (dt, scale), lambda dt=dt, scale=scale: R.AdjustContrastv2(images=s.rand([2, 4, 3, 2], dt), contrast_factor=tf.constant(scale)))
    s.add("AdjustHue_bad", lambda: R.AdjustHue(images=s.arg(np.zeros([2, 4, 4]), known=False), delta=tf.constant(0.1)))
    s.add("AdjustContrast_bad", lambda: R.AdjustContrastv2(images=s.arg(np.zeros([2, 4]), known=False), contrast_factor=tf.constant(0.1)))

    for size in ([3, 5], [7, 4], [1, 1], [12, 9], [5, 4]):
        for form in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
            def cubic(size=size, form=form):
                x = s.rand([2, 5, 4, 3])
                return s.with_grads(R.ResizeBicubic(images=x, size=tf.constant(size), **form), [x])
            s.add("ResizeBicubic_%d_%s" % (size[0], "".join(form)), cubic, (1e-4, 1e-5))
        for corners in (False, True):
            s.add("ResizeArea_%d_%d" % (size[0], corners), lambda size=size, corners=corners: R.ResizeArea(
                images=s.rand([2, 5, 4, 3]), size=tf.constant(size), align_corners=corners), (1e-4, 1e-5))
        for kernel in ("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"):
            for antialias in (False, True):
                def scaled(size=size, kernel=kernel, antialias=antialias):
                    x = s.rand([2, 5, 4, 3])
                    y = R.ScaleAndTranslate(images=x, size=tf.constant(size), scale=s.arg([size[0] / 5.0, size[1] / 3.0]),
                                            translation=s.arg([0.3, -0.6]), kernel_type=kernel, antialias=antialias)
                    return s.with_grads(y, [x])
                s.add("ScaleAndTranslate_%s_%d_%d" % (kernel, antialias, size[0]), scaled, (1e-4, 1e-5))
    for dt in s.floats + ["uint8", "int16", "int64"]:
        s.add("resample_%s" % dt, lambda dt=dt: [R.ResizeBicubic(images=s.arg(np.arange(24).reshape(1, 3, 4, 2), dt), size=tf.constant([5, 3])),
                                                 R.ResizeArea(images=s.arg(np.arange(24).reshape(1, 3, 4, 2), dt), size=tf.constant([2, 3]))], (1e-4, 1e-5))
    s.add("ScaleAndTranslate_bad", lambda: R.ScaleAndTranslate(images=s.rand([1, 4, 4, 1]), size=tf.constant([2, 2]), scale=s.arg([1.0, 0.0]), translation=tf.constant([0.0, 0])))
    s.add("ResizeBicubic_bad", lambda: R.ResizeBicubic(images=s.rand([1, 4, 4, 1]), size=s.arg([2, 0], "int32")))

    boxes = [[0, 0, 1, 1], [.1, .2, .7, .9], [.9, .8, .1, .2], [-.2, .3, 1.3, .6], [.5, .5, .5, .5]]
    for method in ("bilinear", "nearest"):
        for size in ([3, 4], [1, 1], [5, 1], [2, 2]):
            def crop(method=method, size=size):
                x, b = s.rand([2, 5, 6, 2]), s.arg(boxes)
                y = R.CropAndResize(image=x, boxes=b, box_ind=s.arg([0, 1, 1, 0, 1], "int32"), crop_size=tf.constant(size), method=method, extrapolation_value=0.5)
                return s.with_grads(y, [x, b] if method == "bilinear" else [x])
            s.add("CropAndResize_%s_%d_%d" % (method, *size), crop)
    for dt in ("uint8", "int32", "float64", "float16"):
        s.add("CropAndResize_%s" % dt, lambda dt=dt: R.CropAndResize(image=s.arg(np.arange(40).reshape([1, 4, 5, 2]), dt), boxes=s.arg(boxes), box_ind=tf.constant([0] * 5), crop_size=tf.constant([3, 3])))
    s.add("CropAndResize_bad", lambda: R.CropAndResize(image=s.rand([1, 4, 4, 1]), boxes=s.arg([[0.0, 0, 1, 1]]), box_ind=s.arg([3], "int32"), crop_size=tf.constant([2, 2])))

    for padding in ("SAME", "VALID"):
        for size, stride, rate in ([3, 3], [1, 1], [1, 1]), ([2, 3], [2, 1], [1, 1]), ([2, 2], [3, 2], [2, 2]), ([1, 1], [1, 1], [1, 1]):
            four = lambda v: [1, v[0], v[1], 1]

            def patches(padding=padding, a=(four(size), four(stride), four(rate))):
                x = s.rand([2, 6, 7, 2], known=True)
                return s.with_grads(R.ExtractImagePatches(images=x, ksizes=a[0], strides=a[1], rates=a[2], padding=padding), [x])
            name = "%s_%d%d_%d%d_%d" % (padding, *size, *stride, rate[0])
            s.add("ExtractImagePatches_" + name, patches)

            def dilation(padding=padding, size=size, a=(four(stride), four(rate))):
                x, f = s.rand([2, 6, 7, 2]), s.rand([size[0], size[1], 2], seed=2)
                return s.with_grads(R.Dilation2D(input=x, filter=f, strides=a[0], rates=a[1], padding=padding), [x, f])
            s.add("Dilation2D_" + name, dilation)
    for dt in s.ints + s.floats:
        s.add("Dilation2D_%s" % dt, lambda dt=dt: R.Dilation2D(input=s.rand([1, 4, 4, 1], dt, 0, 50), filter=s.rand([2, 2, 1], dt, 0, 50), strides=[1] * 4, rates=[1] * 4, padding="SAME"))
        s.add("ExtractImagePatches_%s" % dt, lambda dt=dt: R.ExtractImagePatches(images=s.rand([1, 4, 4, 1], dt, 0, 50), ksizes=[1, 2, 2, 1], strides=[1] * 4, rates=[1] * 4, padding="SAME"))

    def many(n=40, seed=3):
        rng = np.random.RandomState(seed)
        corner, size = rng.uniform(0, 3, [n, 2]), rng.uniform(-1, 2, [n, 2])
        return s.arg(np.concatenate([corner, corner + size], 1)), s.arg(np.round(rng.uniform(0, 1, n), 1))
    for iou in (0.0, 0.3, 0.5, 1.0):
        def suppress(iou=iou):
            b, sc = many()
            t = lambda v: tf.constant(v)
            return [R.NonMaxSuppression(boxes=b, scores=sc, max_output_size=t(10), iou_threshold=iou),
                    R.NonMaxSuppressionV2(boxes=b, scores=sc, max_output_size=t(100), iou_threshold=t(iou)),
                    R.NonMaxSuppressionV3(boxes=b, scores=sc, max_output_size=t(10), iou_threshold=t(iou), score_threshold=t(0.4)),
                    *R.NonMaxSuppressionV4(boxes=b, scores=sc, max_output_size=t(60), iou_threshold=t(iou), score_threshold=t(0.4), pad_to_max_output_size=True),
                    *R.NonMaxSuppressionV5(boxes=b, scores=sc, max_output_size=t(20), iou_threshold=t(iou), score_threshold=t(0.1), soft_nms_sigma=t(0.0)),
                    *R.NonMaxSuppressionV5(boxes=b, scores=sc, max_output_size=t(20), iou_threshold=t(iou), score_threshold=t(0.1), soft_nms_sigma=t(0.5))]
        s.add("NonMaxSuppression_%g" % iou, suppress)
    s.add("NonMaxSuppression_bad", lambda: R.NonMaxSuppressionV3(boxes=s.rand([3, 4]), scores=s.rand([3]), max_output_size=tf.constant(2), iou_threshold=s.arg(1.5), score_threshold=tf.constant(0.0)))
    s.add("NonMaxSuppression_negative", lambda: R.NonMaxSuppressionV3(boxes=s.rand([3, 4]), scores=s.rand([3]), max_output_size=s.arg(-1, "int32"), iou_threshold=tf.constant(.5), score_threshold=tf.constant(0.0)))
    s.add("NonMaxSuppression_none", lambda: R.NonMaxSuppressionV3(boxes=s.arg(np.zeros([0, 4])), scores=s.arg(np.zeros([0])), max_output_size=tf.constant(3), iou_threshold=tf.constant(.5), score_threshold=tf.constant(0.0)))


def png(width, bits, color, rows, *more):
    """The file, of rows of packed samples; `more` chunks stand before the pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, color, 0, 0, 0)), *more,
              (b"IDAT", zlib.compress(b"".join(b"\0" + bytes(r) for r in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)


def pngs(s):
    rng = np.random.RandomState(5)
    drawn = lambda rows, n: [list(rng.randint(0, 256, n)) for _ in range(rows)]
    palette = (b"PLTE", bytes(range(30, 30 + 48)))
    files = {"grey1": png(9, 1, 0, drawn(3, 2)), "grey4": png(3, 4, 0, drawn(2, 2)), "grey8": png(4, 8, 0, drawn(3, 4)),
             "grey16": png(2, 16, 0, drawn(3, 4)), "grey_alpha": png(2, 8, 4, drawn(3, 4)), "grey_alpha16": png(2, 16, 4, drawn(2, 8)),
             "rgb": png(3, 8, 2, drawn(2, 9)), "rgb16": png(2, 16, 2, drawn(3, 12)), "rgba": png(2, 8, 6, drawn(3, 8)),
             "rgba16": png(1, 16, 6, drawn(2, 8)), "palette4": png(4, 4, 3, [[0x01, 0x23], [0xfa, 0x98]], palette),
             "palette8": png(3, 8, 3, [[0, 5, 15], [7, 8, 9]], palette),
             "palette_alpha": png(3, 8, 3, [[0, 1, 15], [2, 8, 9]], palette, (b"tRNS", bytes([7, 99, 200]))),
             "grey_key": png(4, 8, 0, [[1, 2, 3, 4]], (b"tRNS", b"\0\3")),
             "rgb_key": png(2, 8, 2, [[1, 2, 3, 4, 5, 6]], (b"tRNS", b"\0\4\0\5\0\6")),
             "gamma": png(3, 8, 2, drawn(2, 9), (b"gAMA", struct.pack(">I", 100000)))}
    for name, contents in files.items():
        for channels in (0, 1, 3, 4):
            for dt in ("uint8", "uint16"):
                s.add("png_%s_%d_%s" % (name, channels, dt), lambda contents=contents, channels=channels, dt=dt: R.DecodePng(
                    contents=s.arg(contents, "string"), channels=channels, dtype=tf.as_dtype(dt)))
    for name, contents in (("none", b""), ("text", b"not a picture"), ("cut", files["rgb"][:60]), ("crc", files["rgb"][:-20] + b"x" + files["rgb"][-19:])):
        s.add("png_bad_" + name, lambda contents=contents: R.DecodePng(contents=s.arg(contents, "string")))
    for channels in (1, 2, 3, 4):
        for dt in ("uint8", "uint16"):
            def there_and_back(channels=channels, dt=dt):
                x = s.rand([3, 5, channels], dt, 0, 256 ** (2 if dt == "uint16" else 1))
                return R.DecodePng(contents=R.EncodePng(image=x), channels=0, dtype=tf.as_dtype(dt))
            s.add("png_back_%d_%s" % (channels, dt), there_and_back)
    s.add("png_fewer", lambda: R.DecodePng(contents=R.EncodePng(image=s.rand([3, 5, 4], "uint8", 0, 256), compression=0), channels=1))
    for shape in ([2, 2], [2, 2, 5]):
        s.add("png_bad_%d" % (len(shape) + shape[0] + shape[-1]), lambda shape=shape: R.EncodePng(image=s.arg(np.zeros(shape), "uint8", known=False)))
