"""What is wrong with a descent, in words and numbers."""
