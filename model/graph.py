"""Builds the BERT encoder of multilingual-e5-small as an ONNX graph with 8-bit weights.

The result is what onnxruntime's dynamic quantization makes of the 32-bit graph (8-bit weights, one scale per output
channel, activations quantized on the fly), written directly from the 4-bit weights: the 470 MB intermediate never
exists, and each row of the embedding table gets its own scale, where the tool would use one for all of them.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
IR_VERSION = 10
INPUTS = ("input_ids", "attention_mask")
OUTPUT = "last_hidden_state"


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
        mask = self.attention_bias()
        self.constant("heads.shape", np.array([0, 0, self.shape.heads, self.head_size], dtype=np.int64))
        self.constant("hidden.shape", np.array([0, 0, self.shape.hidden], dtype=np.int64))
        self.constant("attention.scale", np.float32(1 / np.sqrt(self.head_size)))
        for layer in range(self.shape.layers):
            hidden = self.layer(f"l{layer}", hidden, mask)
        self.node("Identity", [hidden], OUTPUT)
        tokens = ["batch", "sequence"]
        graph = helper.make_graph(
            self.nodes,
            "multilingual-e5-small",
            [helper.make_tensor_value_info(name, TensorProto.INT64, tokens) for name in INPUTS],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [*tokens, self.shape.hidden])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="acorag")

    @property
    def head_size(self):
        return self.shape.hidden // self.shape.heads

    def embeddings(self):
        table, scales = quantize(self.weights.matrix("emb.word", self.shape.vocabulary), axis=1)
        self.constant("word.table", table)
        self.constant("word.scales", scales)
        self.node("Gather", ["word.table", "input_ids"], "word.quantized")
        self.node("Cast", ["word.quantized"], "word.cast", to=TensorProto.FLOAT)
        self.node("Gather", ["word.scales", "input_ids"], "word.scale")
        self.node("Mul", ["word.cast", "word.scale"], "word")

        # Every token is of type 0, so its vector is one more part of the position's.
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

    def attention_bias(self):
        self.constant("mask.axes", np.array([1, 2], dtype=np.int64))
        self.constant("mask.one", np.float32(1))
        self.constant("mask.far", np.float32(-1e9))
        self.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
        self.node("Unsqueeze", ["mask.float", "mask.axes"], "mask.wide")
        self.node("Sub", ["mask.one", "mask.wide"], "mask.absent")
        return self.node("Mul", ["mask.absent", "mask.far"], "mask.bias")

    def layer(self, name, hidden, mask):
        attended = self.attention(name, hidden, mask)
        hidden = self.layer_norm(self.node("Add", [attended, hidden], f"{name}.sum1"), f"{name}.aln")
        inner = self.linear(self.activation(hidden), f"{name}.fi", self.shape.feed_forward)
        inner = self.node("Gelu", [inner], f"{name}.gelu", domain="com.microsoft")
        outer = self.linear(self.activation(inner), f"{name}.fo", self.shape.hidden)
        return self.layer_norm(self.node("Add", [outer, hidden], f"{name}.sum2"), f"{name}.oln")

    def attention(self, name, hidden, mask):
        quantized = self.activation(hidden)
        by_head = {}
        for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            flat = self.linear(quantized, f"{name}.{part}", self.shape.hidden)
            split = self.node("Reshape", [flat, "heads.shape"], f"{flat}.split")
            by_head[part] = self.node("Transpose", [split], f"{flat}.heads", perm=order)
        scores = self.node("MatMul", [by_head["q"], by_head["k"]], f"{name}.scores")
        scores = self.node("Mul", [scores, "attention.scale"], f"{name}.scaled")
        scores = self.node("Add", [scores, mask], f"{name}.masked")
        shares = self.node("Softmax", [scores], f"{name}.shares", axis=-1)
        context = self.node("MatMul", [shares, by_head["v"]], f"{name}.context")
        context = self.node("Transpose", [context], f"{name}.joined", perm=[0, 2, 1, 3])
        context = self.node("Reshape", [context, "hidden.shape"], f"{name}.flat")
        return self.linear(self.activation(context), f"{name}.ao", self.shape.hidden)

    def activation(self, value):
        """Quantizes a value once, for every matrix that multiplies it."""
        parts = [f"{value}.u8", f"{value}.scale", f"{value}.zero"]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [value], parts, name=f"{value}.quantize"))
        return parts

    def linear(self, activation, name, outputs):
        # The file keeps a row per output; MatMul wants a column per output.
        matrix, scales = quantize(self.weights.matrix(f"{name}.w", outputs).T, axis=0)
        values, scale, zero = activation
        self.constant(f"{name}.weight", matrix)
        self.constant(f"{name}.scales", scales.reshape(-1))
        self.constant(f"{name}.zeros", np.zeros(outputs, dtype=np.int8))
        self.constant(f"{name}.bias", self.weights.vector(f"{name}.b"))
        product = self.node("MatMulInteger", [values, f"{name}.weight", zero, f"{name}.zeros"], f"{name}.integer")
        product = self.node("Cast", [product], f"{name}.cast", to=TensorProto.FLOAT)
        both = self.node("Mul", [scale, f"{name}.scales"], f"{name}.both")
        product = self.node("Mul", [product, both], f"{name}.product")
        return self.node("Add", [product, f"{name}.bias"], name)

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


def quantize(matrix, axis):
    """8-bit integers and their scales, one scale for each slice along `axis`."""
    scales = np.abs(matrix).max(axis=axis, keepdims=True) / np.float32(127)
    scales = np.where(scales == 0, np.float32(1), scales).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales
