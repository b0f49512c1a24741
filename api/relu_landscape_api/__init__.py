"""The HTTP side: routes, problem+json, probes, metrics and the explorer page.

``relu_landscape_api.app.create_app`` builds the application, ``relu_landscape_api.serve.serve``
runs it. Nothing here computes; everything is asked of ``relu_landscape.jobs``.
"""
