"""nmt: train, use and judge your own recurrent neural machine translation model."""

__version__ = "0.1.0"
