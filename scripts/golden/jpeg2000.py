#!/usr/bin/env python3
"""Makes tests/io/data/j2k_*.tif and j2k_*.npy: TIFFs of JPEG 2000 tiles as Xenium and Aperio store them, and their pixels.

Written by tifffile with imagecodecs, losslessly, so that the pixels are those of numpy's arrays: grey of 16 bits in tiles
with a reduced copy in a SubIFD (Xenium), RGB of 8 bits (Aperio's 33005 and OME's 34712), and YCbCr (33003), whose RGB is
JFIF's formula; and YCbCr whose colour has half the width, as Aperio's scanners write it, or half of both sides: each value
is repeated. Run with numpy 2.4.6, tifffile 2026.3.3, imagecodecs 2026.3.6 and OpenJPEG 2.5.0's opj_compress (Debian's
libopenjp2-tools): python scripts/golden/jpeg2000.py
"""
import pathlib
import struct
import subprocess
import tempfile

import imagecodecs
import numpy as np
import tifffile

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/io/data"


def retag(path, old, new, photometric=None):
    """Changes the compression (and photometric kind) of a classic little-endian TIFF in place."""
    data = bytearray(path.read_bytes())
    at = struct.unpack("<I", data[4:8])[0]
    for k in range(struct.unpack("<H", data[at:at + 2])[0]):
        entry = at + 2 + 12 * k
        tag = struct.unpack("<H", data[entry:entry + 2])[0]
        if tag == 259:
            assert struct.unpack("<H", data[entry + 8:entry + 10])[0] == old
            data[entry + 8:entry + 10] = struct.pack("<H", new)
        if tag == 262 and photometric is not None:
            data[entry + 8:entry + 10] = struct.pack("<H", photometric)
    path.write_bytes(bytes(data))


def write(name, pixels, tile, **more):
    tifffile.imwrite(OUT / name, pixels, tile=tile, compression="jpeg2000", compressionargs={"level": 0, "reversible": True},
                     metadata=None, **more)


def to_rgb(luma, cb, cr):
    luma, cb, cr = luma.astype(float), cb.astype(float) - 128, cr.astype(float) - 128
    rgb = np.dstack([luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb])
    return np.clip(np.round(rgb), 0, 255).astype("uint8")


def encode_planes(planes, across, down):
    """A codestream of planes whose second and third have a value for `across` x `down` pixels."""
    height, width = planes[0].shape
    with tempfile.TemporaryDirectory() as folder:
        raw, out = pathlib.Path(folder, "a.raw"), pathlib.Path(folder, "a.j2k")
        raw.write_bytes(b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes))
        steps = f"{across}x{down}"
        subprocess.run(["opj_compress", "-i", raw, "-o", out, "-n", "3", "-mct", "0", "-F",
                        f"{width},{height},3,8,u@1x1:{steps}:{steps}"], check=True, stdout=subprocess.DEVNULL)
        return out.read_bytes()


def write_reduced(name, across, down):
    """48 x 40 px in tiles of 32 x 32, which the planes fill beyond the image's edges."""
    y, x = np.mgrid[:64, :64]
    luma = (40 + 2 * x + y).astype("uint8")
    cb, cr = ((plane[::down, ::across]).astype("uint8") for plane in (90 + x + y // 2, 170 - y - x // 3))

    def tile(row, column):
        small = slice(row // down, (row + 32) // down), slice(column // across, (column + 32) // across)
        return encode_planes([luma[row:row + 32, column:column + 32], cb[small], cr[small]], across, down)

    with tifffile.TiffWriter(OUT / f"{name}.tif") as tif:
        tif.write((tile(row, column) for row in (0, 32) for column in (0, 32)), shape=(40, 48, 3), dtype="uint8",
                  tile=(32, 32), photometric="rgb", compression="jpeg2000", metadata=None)
    retag(OUT / f"{name}.tif", 34712, 33003, photometric=6)
    full = [plane.repeat(down, 0).repeat(across, 1) for plane in (cb, cr)]
    np.save(OUT / f"{name}.npy", to_rgb(luma, *full)[:40, :48])


def main():
    y, x = np.mgrid[:90, :140]
    grey = (7 * x + 411 * y + (x * y) % 37).astype("uint16")
    with tifffile.TiffWriter(OUT / "j2k_grey.tif") as tif:
        options = dict(tile=(64, 64), compression="jpeg2000", compressionargs={"level": 0, "reversible": True}, metadata=None)
        tif.write(grey, subifds=1, **options)
        tif.write(np.ascontiguousarray(grey[::2, ::2]), subfiletype=1, **options)
    np.save(OUT / "j2k_grey.npy", grey)
    rgb = np.dstack([x, 2 * y, (x + y) % 256]).astype("uint8")
    write("j2k_rgb.tif", rgb, (48, 80), photometric="rgb")
    np.save(OUT / "j2k_rgb.npy", rgb)
    write("j2k_aperio.tif", rgb, (48, 80), photometric="rgb")
    retag(OUT / "j2k_aperio.tif", 34712, 33005)
    # Stored as YCbCr without a transform in the codestream.
    ycc = np.dstack([60 + x, 100 + y // 2, 128 + (x - y) // 4]).astype("uint8")
    with tifffile.TiffWriter(OUT / "j2k_ycbcr.tif") as tif:
        tiles = (imagecodecs.jpeg2k_encode(np.ascontiguousarray(np.pad(ycc, ((0, 6), (0, 20), (0, 0)))[r:r + 48, c:c + 80]),
                                           level=0, reversible=True, codecformat="j2k", mct=False)
                 for r in range(0, 90, 48) for c in range(0, 140, 80))
        tif.write(tiles, shape=ycc.shape, dtype="uint8", tile=(48, 80), photometric="rgb", compression="jpeg2000",
                  metadata=None)
    retag(OUT / "j2k_ycbcr.tif", 34712, 33003, photometric=6)
    np.save(OUT / "j2k_ycbcr.npy", to_rgb(*(ycc[..., k] for k in range(3))))
    write_reduced("j2k_ycbcr422", 2, 1)
    write_reduced("j2k_ycbcr420", 2, 2)


if __name__ == "__main__":
    main()
