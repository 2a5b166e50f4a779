"""Where a machine tells what is plugged in: USB devices, serial ports and mounted drives.

On Linux that is sysfs, so nothing is opened and no permission is needed. Elsewhere pyusb asks
libusb, where the ``usb`` extra is installed.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

_USB_PORT = re.compile(r"\d+-\d+(\.\d+)*")
"""A USB port as Linux and pyserial name it: bus, then the port of every hub on the way."""


@dataclass(frozen=True)
class UsbDevice:
    """A device on USB, as the machine has enumerated it.

    Attributes:
        vendor_id: of its descriptor.
        product_id: likewise.
        serial_number: likewise; None where it has none.
        location: the USB port that it is plugged into, as ``1-1.2``; None where unknown.
        product: what it calls itself.
        node: the file that libusb opens; None where the machine has no such files.
    """

    vendor_id: int
    product_id: int
    serial_number: str | None
    location: str | None
    product: str | None = None
    node: Path | None = None

    @property
    def ids(self) -> tuple[int, int]:
        """Vendor and product id."""
        return self.vendor_id, self.product_id


@dataclass(frozen=True)
class Mount:
    """A mounted drive.

    Attributes:
        device: its block device; None where the machine does not say.
        folder: where it is.
        location: the USB port that it is behind; None where unknown.
    """

    device: Path | None
    folder: Path
    location: str | None


@dataclass(frozen=True)
class Machine:
    """What this machine is asked; a test gives one of its own.

    Attributes:
        mounts: the table of mounted drives.
        usb: sysfs' folder of USB devices.
        blocks: sysfs' folder of block devices.
        device_nodes: folder of the files that libusb opens.
        serial_ports: lists the serial ports.
        usb_backend: of pyusb; None for libusb.
    """

    mounts: Path = Path("/proc/mounts")
    usb: Path = Path("/sys/bus/usb/devices")
    blocks: Path = Path("/sys/class/block")
    device_nodes: Path = Path("/dev/bus/usb")
    serial_ports: Callable[[], Iterable[ListPortInfo]] = list_ports.comports
    usb_backend: Any = None

    def ports(self) -> list[ListPortInfo]:
        """The serial ports, in order of their names."""
        return sorted(self.serial_ports())

    def usb_devices(self) -> list[UsbDevice]:
        """Every device on USB, in order of the ports that they are plugged into."""
        found = list(self._in_sysfs() if self.usb.is_dir() else self._by_pyusb())
        return sorted(found, key=lambda device: (device.location or "", device.ids))

    def drives(self) -> list[Mount]:
        """Every mounted drive that may be a USB one."""
        if self.mounts.is_file():
            return list(self._mounted())
        if sys.platform == "win32":
            letters = (Path(f"{letter}:/") for letter in string.ascii_uppercase)
            return [Mount(None, folder, None) for folder in letters if folder.is_dir()]
        return [Mount(None, folder, None) for folder in sorted(Path("/Volumes").glob("*"))]

    def _in_sysfs(self) -> Iterator[UsbDevice]:
        for folder in sorted(self.usb.iterdir()):
            vendor_id, product_id = (_text(folder / f"id{key}") for key in ("Vendor", "Product"))
            if vendor_id is None or product_id is None:
                continue  # an interface, or a device that has just left
            bus, device = (_text(folder / key) for key in ("busnum", "devnum"))
            node = (
                self.device_nodes / f"{int(bus):03d}" / f"{int(device):03d}"
                if bus and device
                else None
            )
            yield UsbDevice(
                int(vendor_id, 16),
                int(product_id, 16),
                _text(folder / "serial"),
                folder.name,
                _text(folder / "product"),
                node,
            )

    def _by_pyusb(self) -> Iterator[UsbDevice]:
        try:
            import usb.core
        except ImportError:
            return
        try:
            for device in usb.core.find(find_all=True, backend=self.libusb()):
                numbers = ".".join(map(str, device.port_numbers or ()))
                location = f"{device.bus}-{numbers}" if numbers else None
                yield UsbDevice(device.idVendor, device.idProduct, None, location)
        except usb.core.NoBackendError:
            return

    def libusb(self) -> Any:
        """The backend for pyusb: the one that is given, else the libusb that pip installs."""
        if self.usb_backend is not None:
            return self.usb_backend
        try:
            import libusb_package
        except ImportError:
            return None
        return libusb_package.get_libusb1_backend()

    def _mounted(self) -> Iterator[Mount]:
        for line in self.mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split(" ")
            if len(fields) > 2 and fields[2] in ("vfat", "msdos"):
                device, folder = (Path(_unescaped(field)) for field in fields[:2])
                yield Mount(device, folder, self._location(device))

    def _location(self, device: Path) -> str | None:
        """The USB port behind a block device: the last one on the way to it in sysfs."""
        on_the_way = (self.blocks / device.name).resolve().parts
        ports = [part for part in on_the_way if _USB_PORT.fullmatch(part)]
        return ports[-1] if ports else None


def usb_location(port: ListPortInfo) -> str | None:
    """The USB port that a serial port is behind, without the interface that pyserial adds."""
    return port.location.split(":")[0] if port.location else None


def is_usb_location(text: str) -> bool:
    """Whether a text names a USB port."""
    return _USB_PORT.fullmatch(text) is not None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _unescaped(field: str) -> str:
    """A path of the mount table, where spaces and the like are octal."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)
