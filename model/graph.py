"""Builds the BERT encoder of multilingual-e5-small as an ONNX graph with 8-bit weights.

The result is similar to that of onnxruntime's dynamic quantization of the 32-bit graph (integer weights, one scale per
output channel, activations quantized at run time), but is written directly from the 4-bit weights: the 470 MB
intermediate file is not needed, and each row of the embedding table has its own scale instead of one for the whole table.

There are three other differences, whose effects are in docs/performance.md:

- q, k and v are one matrix in onnxruntime's QAttention, which quantizes their input once and does not copy the heads.
- The matrices use 7 of the 8 bits. Processors without VNNI add two products in 16 bits, and 8-bit weights overflow there
  (onnxruntime calls this reduce_range). With 7 bits every processor computes the same integers.
- A few channels have values far above all others, so with a shared scale the others would lose precision. These channels
  are divided before they are quantized, and their weights are multiplied (SmoothQuant, Xiao et al. 2023). This improves
  precision by more than the loss of the eighth bit reduces it.

There is no attention mask: each run has one text without padding.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
IR_VERSION = 10
INPUT = "input_ids"
OUTPUT = "last_hidden_state"

# The largest absolute weight of a matrix: 7 bits including the sign.
LARGEST = 63

# Divisors of the channels whose values after an attention's normalization are three to thirty times the median in
# Spanish and English texts, mostly the same channels in all layers. Division by a power of two causes no rounding.
OUTLIERS = {15: 4, 35: 4, 321: 2, 60: 2, 87: 2, 351: 2, 146: 2, 345: 2, 297: 2}


def build(weights):
    return Encoder(weights).model()


class Encoder:
    def __init__(self, weights):
        self.weights = weights
        self.shape = weights.shape
        self.nodes = []
        self.constants = []

    def model(self):
        hidden = self.embeddings()
        self.constant("smoothing", 1 / self.divisors())
        for layer in range(self.shape.layers):
            hidden = self.layer(f"l{layer}", hidden)
        self.node("Identity", [hidden], OUTPUT)
        tokens = ["batch", "sequence"]
        graph = helper.make_graph(
            self.nodes,
            "multilingual-e5-small",
            [helper.make_tensor_value_info(INPUT, TensorProto.INT64, tokens)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [*tokens, self.shape.hidden])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="acorag")

    def divisors(self):
        divisors = np.ones(self.shape.hidden, dtype=np.float32)
        divisors[list(OUTLIERS)] = list(OUTLIERS.values())
        return divisors

    def embeddings(self):
        table, scales = quantize(self.weights.matrix("emb.word", self.shape.vocabulary), axis=1)
        self.constant("word.table", table)
        self.constant("word.scales", scales)
        self.node("Gather", ["word.table", "input_ids"], "word.quantized")
        self.node("Cast", ["word.quantized"], "word.cast", to=TensorProto.FLOAT)
        self.node("Gather", ["word.scales", "input_ids"], "word.scale")
        self.node("Mul", ["word.cast", "word.scale"], "word")

        # All tokens have type 0, so the vector of this type is added to each position's vector.
        positions = self.weights.vector("emb.pos").reshape(self.shape.positions, self.shape.hidden)
        first_type = self.weights.vector("emb.type").reshape(self.shape.token_types, self.shape.hidden)[0]
        self.constant("position.table", positions + first_type)
        self.constant("zero", np.array(0, dtype=np.int64))
        self.constant("one", np.array(1, dtype=np.int64))
        self.node("Shape", ["input_ids"], "tokens.shape")
        self.node("Gather", ["tokens.shape", "one"], "tokens.length")
        self.node("Range", ["zero", "tokens.length", "one"], "position.ids")
        self.node("Gather", ["position.table", "position.ids"], "position")
        return self.layer_norm(self.node("Add", ["word", "position"], "embedded"), "emb.ln")

    def layer(self, name, hidden):
        attended = self.attention(name, hidden)
        hidden = self.layer_norm(self.node("Add", [attended, hidden], f"{name}.sum1"), f"{name}.aln")
        smooth = self.node("Mul", [hidden, "smoothing"], f"{name}.smooth")
        inner = self.linear(smooth, f"{name}.fi", self.shape.feed_forward, self.divisors())
        inner = self.node("Gelu", [inner], f"{name}.gelu", domain="com.microsoft")
        outer = self.linear(inner, f"{name}.fo", self.shape.hidden)
        return self.layer_norm(self.node("Add", [outer, hidden], f"{name}.sum2"), f"{name}.oln")

    def attention(self, name, hidden):
        parts = [f"{name}.{part}" for part in "qkv"]
        matrix = np.concatenate([self.weights.matrix(f"{part}.w", self.shape.hidden) for part in parts])
        self.constant(f"{name}.qkv.bias", np.concatenate([self.weights.vector(f"{part}.b") for part in parts]))
        weight, scales, zeros = self.matrix(f"{name}.qkv", matrix.T)
        values, scale, zero = self.activation(hidden)
        inputs = [values, weight, f"{name}.qkv.bias", scale, scales, "", zero, zeros]
        context = self.node("QAttention", inputs, f"{name}.context", "com.microsoft", num_heads=self.shape.heads)
        return self.linear(context, f"{name}.ao", self.shape.hidden)

    def activation(self, value):
        parts = [f"{value}.u8", f"{value}.scale", f"{value}.zero"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], parts, name=f"{value}.quantize"))
        return parts

    def linear(self, value, name, outputs, divisors=1):
        """Multiplies a value, whose channels were divided by `divisors`, by a matrix and adds a bias."""
        # The file has one row per output; MatMul expects one column per output.
        weight, scales, zeros = self.matrix(name, (self.weights.matrix(f"{name}.w", outputs) * divisors).T)
        self.constant(f"{name}.bias", self.weights.vector(f"{name}.b"))
        values, scale, zero = self.activation(value)
        # onnxruntime fuses the following operations into one.
        product = self.node("MatMulInteger", [values, weight, zero, zeros], f"{name}.integer")
        product = self.node("Cast", [product], f"{name}.cast", to=TensorProto.FLOAT)
        both = self.node("Mul", [scale, scales], f"{name}.both")
        product = self.node("Mul", [product, both], f"{name}.product")
        return self.node("Add", [product, f"{name}.bias"], name)

    def matrix(self, name, matrix):
        """Quantizes a matrix with one column per output; returns the names of its integers, scales and zero points."""
        integers, scales = quantize(matrix, axis=0, largest=LARGEST)
        names = [f"{name}.weight", f"{name}.scales", f"{name}.zeros"]
        for part, value in zip(names, [integers, scales.reshape(-1), np.zeros(scales.size, dtype=np.int8)]):
            self.constant(part, value)
        return names

    def layer_norm(self, value, name):
        self.constant(f"{name}.w", self.weights.vector(f"{name}.w"))
        self.constant(f"{name}.b", self.weights.vector(f"{name}.b"))
        inputs = [value, f"{name}.w", f"{name}.b"]
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=self.shape.epsilon)

    def node(self, operator, inputs, output, domain="", **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))


def quantize(matrix, axis, largest=127):
    """Returns 8-bit integers and their scales, one scale for each slice along `axis`."""
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(largest)
    scales = np.where(scales == 0, np.float32(1), scales).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales
