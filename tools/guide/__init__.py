"""Makes the guide: the documents of this repository as a site, without anything from elsewhere.

``python -m tools.guide [FOLDER]`` (``make guide``) stages the documents, adds the pages that come
from the code (``generated``) and the notebooks (``notebooks``), has Sphinx build them, and takes
scripts out of the pages (``finishing``), since the service lets none run that stands in one.
"""
