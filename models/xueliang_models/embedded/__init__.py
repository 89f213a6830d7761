"""The detector in the box: `xueliang_compact.onnx` and its card, both written by models/train."""
