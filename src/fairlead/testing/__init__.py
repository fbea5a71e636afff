"""Shipped with the product: fakes that behave, and the suites that every adapter of a port must pass.

Import from the modules: ``clock`` (a clock that stands still), ``run_store`` (the conformance suite of run stores),
``wfformat`` (real workflow graphs), ``model_server`` and ``stories`` (a real small model behind a loopback server).
"""
