"""Checks an ONNX file and runs it with ONNX Runtime: `onnx_runtime.py MODEL INPUT OUTPUT`.

INPUT holds the model's input and OUTPUT is written: elements in row-major order, little endian, nothing else.
Prints the shape of the output.
"""

import sys

import numpy as np
import onnx
import onnxruntime

model, given, result = sys.argv[1:]
onnx.checker.check_model(onnx.load(model), full_check=True)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
(entry,) = session.get_inputs()
# The batch may be left open.
shape = [dim if isinstance(dim, int) else 1 for dim in entry.shape]
image = np.fromfile(given, dtype="<f4").reshape(shape)
(output,) = session.run(None, {entry.name: image})
output.astype("<f4").tofile(result)
print(*output.shape)
