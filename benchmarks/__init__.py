"""What one Mixture-of-Agents request costs, beside the least it could cost: `python -m benchmarks`."""
