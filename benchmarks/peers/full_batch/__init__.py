"""The peers of the gradient of logistic regression over all rows at once."""
