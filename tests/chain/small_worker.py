"""The worker of ``host.hil`` as it is, but for the size of the quick preset."""

from conftest import SMALL  # type: ignore[import-not-found]  # the folder of this file is in the path

from host.chain import settings
from host.hil.worker import main
from host.presets import PresetName

settings.PRESETS[PresetName.QUICK] = SMALL
main()
