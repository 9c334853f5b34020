"""How a legacy endpoint can be reached: gentle questions, plain findings, and the least weak settings that work."""
