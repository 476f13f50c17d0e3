"""Asking a trained model: predictions, embeddings, ONNX."""
