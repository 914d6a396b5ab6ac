"""Whether anything is left behind after thousands of requests with faults: `python -m benchmarks.soak`."""
