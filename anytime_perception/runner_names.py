"""What a network can be run by; without PyTorch, for processes that only speak of it."""

RUNNERS = 'auto', 'torch', 'openvino', 'cuda_graphs'
PRECISIONS = 'float32', 'bfloat16'
MAX_THREADS = 256  # with some thousands OpenVINO does not come to an end
