"""Configuration: moa.toml and .env to ensembles and back."""
