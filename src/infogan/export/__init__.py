"""Files of a trained model for use elsewhere: ONNX, a page without a server, model folders, the Hub."""
