"""Jouleloop's toolchain: from a scenario to an image for a microcontroller.

The rooms follow the path of the data: ``scenario`` -> ``environment`` -> ``policy`` -> ``quantize``
-> ``compile`` -> ``build``. Nothing here knows of serial ports, plugged-in boards or reports.
"""

__version__ = "0.1.0"
