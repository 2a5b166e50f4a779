"""From generated C and a board file to an image that can be flashed.

>>> image = build_image(load_board("pico"), model_dir, out_dir)  # doctest: +SKIP
>>> image.uf2, image.size.flash_bytes  # doctest: +SKIP
"""

from toolchain.build.builder import build_image
from toolchain.build.image import Image, load_image
from toolchain.build.layer_size import layer_bytes
from toolchain.build.size import SizeReport
from toolchain.build.sources import FALLBACK_SYMBOL

__all__ = ["FALLBACK_SYMBOL", "Image", "SizeReport", "build_image", "layer_bytes", "load_image"]
