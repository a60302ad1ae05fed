"""What a model makes of examples: its outputs, its loss, its scores."""
