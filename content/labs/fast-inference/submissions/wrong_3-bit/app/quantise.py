"""fp32 -> int8, in a process of its own: what it needs is given back when it ends."""

import logging
import sys

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

if __name__ == "__main__":
    logging.getLogger().setLevel(logging.ERROR)
    model = onnx.load(sys.argv[1])
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        step = np.abs(values).max() / 3
        tensor.CopyFrom(numpy_helper.from_array((np.rint(values / step) * step).astype(np.float32), tensor.name))
    onnx.save(model, sys.argv[1])
    quantize_dynamic(sys.argv[1], sys.argv[2], weight_type=QuantType.QUInt8)
