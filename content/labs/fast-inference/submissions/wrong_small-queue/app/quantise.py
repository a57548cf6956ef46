"""fp32 -> int8, in a process of its own: what it needs is given back when it ends."""

import logging
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic

if __name__ == "__main__":
    logging.getLogger().setLevel(logging.ERROR)
    quantize_dynamic(sys.argv[1], sys.argv[2], weight_type=QuantType.QUInt8)
