"""Reaching models: one protocol, the OpenAI wire, the demo models, the table of providers."""
