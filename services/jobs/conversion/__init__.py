"""A model for another engine: TensorFlow and Keras to ONNX, and on to TensorRT, checked against what it came from."""
