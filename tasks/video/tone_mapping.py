"""Pictures of HDR films (HLG, PQ) -> pictures as an SDR screen shows them: uint8 RGB -> uint8 RGB.

The bundled libav has no filter that converts transfer curves (zscale, libplacebo), so a table of 64 x 64 x 64 colours
is computed from the standards once for each kind of film, and Pillow's Color3DLUT applies it. Graphics white, 203
cd/m2, becomes SDR white (BT.2408); light below 0.8 of it is unchanged, brighter light is compressed. Sources: ITU-R
BT.2100-2 (HLG, PQ), BT.2408-7 (levels), BT.2087 (primaries), IEC 61966-2-1 (sRGB).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from modeling.data.images import Picture

HDR_CURVES = {16: "pq", 18: "hlg"}
"""Transfer characteristics of ITU-T H.273 that are HDR, by the number in the stream."""
WIDE_PRIMARIES = {9: "bt2020", 11: "p3", 12: "p3"}
"""Colour primaries of ITU-T H.273 that are wider than sRGB's, by the number in the stream."""
WHITE_NITS = 203.0
PEAK_NITS = 1_000.0
KNEE = 0.8
"""Share of SDR white up to which light is unchanged."""
TABLE_SIZE = 64
BT709_PRIMARIES, P3_PRIMARIES = 1, 12
_TO_BT709 = {
    "bt2020": [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    "p3": [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]],
    "bt709": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}
HLG_GAMMA = 1.2
"""HLG's OOTF for a screen of 1 000 cd/m2, by each channel, as zimg (the ffmpeg program's zscale) does it."""

Light = NDArray[np.float64]


def hdr_kind(transfer: int) -> str:
    """Return "hlg" or "pq" for the transfer characteristics of an HDR film, "" for any other.

    >>> hdr_kind(18), hdr_kind(16), hdr_kind(1)
    ('hlg', 'pq', '')
    """
    return HDR_CURVES.get(transfer, "")


def wide_gamut(primaries: int, transfer: int) -> str:
    """Return "bt2020" or "p3" for an SDR film with such primaries, which are not converted; "" for any other.

    >>> wide_gamut(9, 1), wide_gamut(12, 1), wide_gamut(9, 16), wide_gamut(1, 1)
    ('bt2020', 'p3', '', '')
    """
    return "" if hdr_kind(transfer) else WIDE_PRIMARIES.get(primaries, "")


def to_sdr(picture: Picture, kind: str, primaries: int) -> Picture:
    """Return an HDR picture (its own non-linear RGB, uint8 [H, W, 3]) as sRGB; `primaries` by ITU-T H.273."""
    gamut = {BT709_PRIMARIES: "bt709", P3_PRIMARIES: "p3"}.get(primaries, "bt2020")
    return np.asarray(Image.fromarray(picture).filter(_table(kind, gamut)), dtype=np.uint8)


@cache
def _table(kind: str, gamut: str) -> ImageFilter.Color3DLUT:
    """Return the table for a curve and a gamut; its red runs fastest, as Pillow wants it."""
    levels = np.linspace(0, 1, TABLE_SIZE)
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    signal = np.stack([red, green, blue], axis=-1)
    nits = pq_nits(signal) if kind == "pq" else hlg_nits(signal)
    light = (nits / WHITE_NITS) @ np.asarray(_TO_BT709[gamut]).T
    return ImageFilter.Color3DLUT(TABLE_SIZE, srgb(rolled_off(light.clip(0))).ravel().tolist())


def pq_nits(signal: Light) -> Light:
    """Return the light of a PQ signal in [0, 1], in cd/m2 (BT.2100, table 4)."""
    root = signal ** (1 / 78.84375)
    nits: Light = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return nits


def hlg_nits(signal: Light) -> Light:
    """Return the light that a screen of 1 000 cd/m2 makes of an HLG signal in [0, 1] (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    nits: Light = PEAK_NITS * scene**HLG_GAMMA
    return nits


def rolled_off(light: Light) -> Light:
    """Return light in shares of SDR white in [0, 1]: light above KNEE is compressed by the largest channel, with the
    same hue.
    """
    brightest = light.max(axis=-1, keepdims=True)
    room = 1 - KNEE
    bent = np.where(brightest > KNEE, KNEE + room * (1 - np.exp(-(brightest - KNEE) / room)), brightest)
    shown: Light = light * bent / np.maximum(brightest, 1e-9)
    return shown


def srgb(light: Light) -> Light:
    """Return linear light in [0, 1] as an sRGB signal in [0, 1]."""
    light = light.clip(0, 1)
    signal: Light = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return signal
