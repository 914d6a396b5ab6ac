"""What the server does for Open WebUI beyond OpenAI's format, and for nobody else."""
