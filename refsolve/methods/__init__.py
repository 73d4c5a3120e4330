"""The methods, one folder each and none in need of another."""
