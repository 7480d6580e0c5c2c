"""gliofield personalizes brain-tumor growth models: from one scan of a glioma to its tumor-cell density.

For research use only; not a medical device.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
