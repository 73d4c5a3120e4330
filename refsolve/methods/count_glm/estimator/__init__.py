"""Public functions of the method."""
