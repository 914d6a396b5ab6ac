"""The fault card: one row a fault, each a claim that is measured on real sockets.

    make faults                       every row at full size, its bounds as they are, beside two products
    python -m tests.faults F6 S08     some rows
    pytest tests/faults               every row small, with four times the bounds

A row (`rows/`) is an asynchronous function that gets a `Case` and returns its figure; it is written once and
run by both. This file imports nothing: the other products run their part in an environment of their own.
"""
