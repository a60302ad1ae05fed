"""The peers of the convolutional network and of the transformer block."""
