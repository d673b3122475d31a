"""The place of a store's HDF5 file, which is a driver's as long as nobody takes it away."""

from __future__ import annotations

from pathlib import Path

from ..errors import ResumableError
from ..files import describe_error, file_number
from .claim import Claim
from .journal import journal_path


class Place:
    """The place of the HDF5 file of the store that this driver holds.

    Parameters
    ----------
    path : Path
        The file.
    claim : Claim
        On the store.

    Attributes
    ----------
    path : Path
    number : int or None
        That of the file that this driver has found, or has put there; see
        :func:`~dask_espresso.files.file_number`.
    """

    def __init__(self, path: Path, claim: Claim) -> None:
        self.path, self.number = path, file_number(path)
        self._claim = claim

    def check_ours(self) -> None:
        """Expect the store to be this driver's.

        Raises
        ------
        ResumableError
        """
        try:
            is_ours = self._claim.look()
        except OSError as error:
            raise ResumableError(
                f"{self._claim.path}: {describe_error(error)}, and run again: "
                "all that was recorded before is safe"
            ) from error
        if not is_ours:
            raise ResumableError(
                f"{self.path}: another driver has taken the store over, or its claim "
                f"{self._claim.path.name} was deleted; this one stops"
            )

    def check(self) -> None:
        """Expect the store to be this driver's, and the file to be the one it has put there.

        Raises
        ------
        ResumableError
        """
        self.check_ours()
        if not self.is_kept():
            raise ResumableError(
                f"{self.path}: was moved, deleted or replaced during the run; put it back and run "
                f"again: {journal_path(self.path).name} holds what was not in it yet"
            )

    def is_kept(self) -> bool:
        """Say whether the file is still there."""
        try:
            return file_number(self.path) == self.number
        except OSError:
            return False

    def may_replace(self) -> bool:
        """Say whether the file is this driver's to replace."""
        return self._claim.is_ours and self.is_kept()
