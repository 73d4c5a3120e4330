"""Speed and accuracy of every method, measured against targets: `python -m benchmarks --help`."""
