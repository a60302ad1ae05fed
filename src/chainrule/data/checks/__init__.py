"""What is wrong with a table, said before anything is trained on it."""
