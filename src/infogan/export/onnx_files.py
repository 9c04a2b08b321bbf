"""ONNX files of both networks: traced, described, and stored in float32 or float16."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from infogan import __version__
from infogan.errors import UsageError
from infogan.export import graphs
from infogan.export.extras import required
from infogan.model import InfoGAN

if TYPE_CHECKING:
    import onnx

Precision = Literal["float32", "float16"]
"""How weights are stored. Runtimes compute in float32 with both."""

BATCH = "N"
METADATA = "infogan"
"""Key of the description in the metadata of an ONNX file."""

_OPSET = 18
_TRACED_IMAGES = 3  # a batch of 1 or 2 could be mistaken for another size of the networks
_LEAST_HALVED = 256  # smaller tensors, such as biases, stay float32
_LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class OnnxNetworks:
    """Both networks as ONNX files in memory."""

    generator: bytes
    recognition: bytes


def convert(
    model: InfoGAN, description: Mapping[str, Any], *, precision: Precision = "float32"
) -> OnnxNetworks:
    """Convert both networks of a model to ONNX; `infogan.export.onnx_check` compares the results.

    Args:
        model: the model.
        description: from `infogan.export.interface.describe`; it is stored in the metadata.
        precision: of the stored weights; with float16 a file has half the size.

    Raises:
        UsageError: a package is missing, or a network of a plug-in cannot be converted.
    """
    required("onnx", "onnxscript", extra="export")
    noise, codes = model.draw(_TRACED_IMAGES, seed=0)
    images = torch.zeros(_TRACED_IMAGES, model.size, model.size, model.channels, dtype=torch.uint8)
    generator = _trace(
        graphs.GeneratorGraph(model),
        (noise, [codes[port.name].reshape(-1, *port.shape) for port in graphs.generator_inputs(model)[1:]]),
        graphs.generator_inputs(model),
        graphs.generator_outputs(model),
    )
    recognition = _trace(
        graphs.RecognitionGraph(model),
        (images,),
        graphs.recognition_inputs(model),
        graphs.recognition_outputs(model),
    )
    files = [
        _finish(proto, name, description)
        for name, proto in (("generator", generator), ("recognition", recognition))
    ]
    return OnnxNetworks(*(map(halved, files) if precision == "float16" else files))


def _trace(
    graph: nn.Module,
    example: tuple[Tensor | list[Tensor], ...],
    inputs: Sequence[graphs.Port],
    outputs: Sequence[graphs.Port],
) -> onnx.ModelProto:
    """Return the ONNX model of a graph, with documented names and a batch of any size."""
    batch = torch.export.Dim(BATCH)
    sizes = tuple([{0: batch}] * len(part) if isinstance(part, list) else {0: batch} for part in example)
    with _quiet(), torch.no_grad():
        try:
            exported = torch.export.export(graph, example, dynamic_shapes=sizes)
            program = torch.onnx.export(
                exported,
                dynamo=True,
                input_names=[port.name for port in inputs],
                output_names=[port.name for port in outputs],
                opset_version=_OPSET,
                verbose=False,
            )
        except Exception as error:  # torch wraps errors of any class
            raise UsageError(
                f"a network cannot be converted to ONNX: {str(error).strip().splitlines()[0][:300]}",
                "networks of operations that torch.onnx.export knows, for batches of any size",
                "another operation in the network of the plug-in; or to='safetensors'",
                command="another operation in the network of the plug-in; or --to safetensors",
            ) from error
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    for values, ports in ((proto.graph.input, inputs), (proto.graph.output, outputs)):
        for value, port in zip(values, ports, strict=True):
            _document(value, port)
    return proto


def _document(value: onnx.ValueInfoProto, port: graphs.Port) -> None:
    """Write name, batch dimension, shape and meaning of an input or output."""
    assert value.name == port.name
    value.doc_string = port.text
    dims = value.type.tensor_type.shape.dim
    dims[0].dim_param = BATCH
    for dim, size in zip(dims[1:], port.shape, strict=True):
        dim.dim_value = size


def _finish(proto: onnx.ModelProto, network: str, description: Mapping[str, Any]) -> bytes:
    """Return the bytes of a described and checked ONNX model."""
    import onnx

    del proto.graph.value_info[:]  # names of the traced batch size; shape inference finds the rest again
    for node in proto.graph.node:  # stack traces with paths of this machine
        node.doc_string = ""
        del node.metadata_props[:]
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    proto.producer_name, proto.producer_version = "infogan", __version__
    proto.graph.name = network
    proto.graph.doc_string = f"InfoGAN {network} network; the metadata entry {METADATA!r} describes it"
    entry = {key: value for key, value in description.items() if key != "networks"}
    entry |= {"network": network, "precision": "float32", **description["networks"][network]}
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(entry, ensure_ascii=False)})
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def halved(content: bytes) -> bytes:
    """Return an ONNX model with large weights as float16, which runtimes cast to float32 when they load it.

    A tensor with a value that float16 cannot hold, above 65,504, stays as it is.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load_from_string(content)
    entry = json.loads(proto.metadata_props[0].value) | {"precision": "float16"}
    onnx.helper.set_model_props(proto, {METADATA: json.dumps(entry, ensure_ascii=False)})
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        weights = numpy_helper.to_array(tensor)
        if weights.size < _LEAST_HALVED or np.abs(weights).max() > _LARGEST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what torch.onnx logs and warns about its own parts."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
