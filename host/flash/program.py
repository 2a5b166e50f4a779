"""What is to be written into a board, and how it is known when it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host.link import Identity, check_identity
from toolchain.board import Board
from toolchain.build import Image, load_image, uf2
from toolchain.build.image import RECORD
from toolchain.errors import IdentityError, InputError


@dataclass(frozen=True)
class Program:
    """A file for a board's flash.

    Attributes:
        file: in the format that the board takes.
        board: whose.
        image: the record that the build left beside it; None for a file that came alone.
    """

    file: Path
    board: Board
    image: Image | None = None

    @classmethod
    def of(cls, image: Image, board: Board) -> Program:
        """A built image.

        Raises:
            InputError: it was built for another board.
        """
        if image.board != board.name:
            raise InputError(
                f"{image.program} was built for {image.board}, not for {board.name}",
                hint=f"name {image.board} as the target, or build the image for {board.name}",
            )
        return cls(image.program, board, image)

    @classmethod
    def read(cls, file: Path, board: Board) -> Program:
        """A file, with the build's record where that is beside it.

        Raises:
            InputError: it cannot be read, or is for another board or chip.
        """
        if (file.parent / RECORD).is_file():
            image = load_image(file.parent)
            if image.program.name == file.name:
                return cls.of(image, board)
        program = cls(file, board)
        program.placed()
        return program

    def placed(self) -> tuple[int, bytes]:
        """Flash address and bytes of a UF2's image; of any other file, 0 and the file's bytes.

        Raises:
            InputError: the file cannot be read, or has blocks for another chip or outside of the
                board's flash.
        """
        if self.board.image.format != "uf2":
            try:
                return 0, self.file.read_bytes()
            except OSError as error:
                raise InputError(
                    f"{self.file} cannot be read: {error.strerror}",
                    hint="name the image that 'jouleloop build' left",
                ) from error
        address, data = uf2.read(self.file, family_id=self.board.image.uf2_family_id)
        if len(data) > self.board.memory.flash_bytes:
            raise InputError(
                f"{self.file}: {len(data):,} bytes do not fit into the "
                f"{self.board.memory.flash_bytes:,} bytes of flash of {self.board.name}",
                hint="build the image for this board, or with --flash-budget smallest",
            )
        return address, data

    def check(self, found: Identity) -> None:
        """Refuse a board that runs something else.

        A file without a record is known by the image's SHA-256, which the program holds to tell it.

        Raises:
            IdentityError: something else answers.
        """
        if self.image is not None:
            check_identity(
                found,
                board=self.board.name,
                engine=self.image.engine.name.lower(),
                model_sha256=self.image.model_sha256,
                fallback_sha256=self.image.fallback_sha256,
                image_sha256=self.image.image_sha256,
            )
            return
        check_identity(found, board=self.board.name)
        if bytes.fromhex(found.image_sha256) not in self.placed()[1]:
            raise IdentityError(
                f"the board reports image {found.image_sha256[:12]}, which is not what "
                f"{self.file} holds",
                hint="flash the file again (leave out --no-flash), or name the right target",
            )

    def runs_on(self, found: Identity) -> bool:
        """Whether what answered is this program."""
        try:
            self.check(found)
        except IdentityError:
            return False
        return True
