"""How large a number may be; apart from `striate.core.numbers`, which waits for pydantic."""

MOST_COUNT = 2**31 - 1
MOST_BYTES = 2**50
MOST_SEED = 2**53 - 1
MOST_SIDE = 2**14
LARGEST = 1e9
"""Of a number that is no count; of seconds, thirty years."""
MOST_RATE = 1e18
"""Of a learning rate: far above any that learns, so that divergence can be asked for, and still one
whose product with a gradient is a number in float32."""
