"""Files that run inside other programs, each self-contained, at stable paths."""
