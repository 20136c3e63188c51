"""The sizes of the public Space, as its three rows of radio buttons show them."""

CHAT_SIZES = ("72B", "32B", "14B", "7B", "3B", "1.5B", "0.5B")
MATH_SIZES = ("Math-72B", "Math-7B", "Math-1.5B")
CODER_SIZES = ("Coder-7B", "Coder-1.5B")
SIZES = CHAT_SIZES + MATH_SIZES + CODER_SIZES
