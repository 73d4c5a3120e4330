"""The likelihood of a series: `samples`, then `inputs` and `evaluation`, then `likelihood`."""
