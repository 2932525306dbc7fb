"""Errors and warnings: each names the thing, the value and the way out."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class NbannotError(Exception):
    """Base of every error raised by nbannot.

    Parameters
    ----------
    message
        What is wrong, with the value.
    hint
        What to do about it.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.hint}".strip() if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))

    @property
    def payload(self) -> dict[str, str]:
        """The one JSON shape of an error: kind, message and hint."""
        return {"kind": type(self).__name__, "message": self.message, "hint": self.hint}


def _rebuild(cls: type[NbannotError], message: str, hint: str) -> NbannotError:
    return cls(message, hint=hint)


class FormatError(NbannotError, ValueError):
    """A file is not an image, is damaged, or is of an unsupported kind."""


class RemoteError(NbannotError, OSError):
    """A bucket, server or archive is away, refuses, or does not send what it should; nothing was half kept."""


class GoneError(RemoteError):
    """There is nothing at a URL, or not all of it any more."""


class GeometryError(NbannotError, ValueError):
    """A geometry is impossible, or does not fit."""


class SuvError(NbannotError, ValueError):
    """Standardized uptake values cannot be computed."""


class MaskError(NbannotError, ValueError):
    """A mask has the wrong dtype, shape or segment values."""


class UnknownLabelError(NbannotError, KeyError):
    """No label of this name exists."""


class UnknownItemError(NbannotError, KeyError):
    """No mask, box, tag or image of this id exists."""


class OutsideImageError(NbannotError, ValueError):
    """An annotation lies wholly outside its image."""


class LockedError(NbannotError, PermissionError):
    """The label is locked."""


class EditError(NbannotError, ValueError):
    """An edit cannot be applied."""


class OperationError(NbannotError, ValueError):
    """An operation on voxels cannot be done as asked; nothing was changed."""


class StoreError(NbannotError, OSError):
    """The project store failed; nothing was half written."""


class ReadOnlyError(StoreError, PermissionError):
    """The project or session is open for reading only."""


class NewerVersionError(StoreError):
    """The project or file was written by a newer version."""


class ConflictError(StoreError):
    """Somebody else wrote to the session in the meantime."""


class KeptError(ConflictError):
    """An edit was kept before; it is not made twice."""


class AccessError(StoreError, PermissionError):
    """The person may not do this in the project; the refusal is in the audit log."""


class SubmitError(StoreError, ValueError):
    """A task cannot be handed in: something required is missing or wrong."""


class ServiceError(StoreError):
    """The service or the Hub does not answer, or answers what nobody expects."""


class LoginError(StoreError, PermissionError):
    """The service does not know who asks, or the Hub no longer lets them in."""


class ViewerError(NbannotError, RuntimeError):
    """The viewer cannot be shown."""


class HeaderRefusedError(ViewerError, PermissionError):
    """The headers of files are not shown in this viewer."""


class DeidentificationError(NbannotError, PermissionError):
    """An image may not be shown to readers from outside."""


class LayoutError(ViewerError):
    """A layout is not understood, or names an image that is not there."""


class ConfigError(NbannotError, ValueError):
    """A configuration or a hanging rule cannot be used."""


class MissingDependencyError(NbannotError, ImportError):
    """An optional package is needed and not installed."""


class NbannotWarning(UserWarning):
    """Base of every warning given by nbannot."""


class ClippedWarning(NbannotWarning):
    """An annotation reached over the border of its image and was clipped."""


class SeveralSeriesWarning(NbannotWarning):
    """The source holds more than one series."""


class GeometryWarning(NbannotWarning):
    """The geometry is usable but unusual."""


class ConfigWarning(NbannotWarning):
    """Parts of a configuration were left out."""


def need(package: str, *, extra: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    Raises
    ------
    MissingDependencyError
        When the package is not installed.
    """
    try:
        return import_module(package)
    except ImportError as cause:
        raise MissingDependencyError(
            f"{package} is not installed", hint=f'Install it with: pip install "nbannot[{extra}]"'
        ) from cause
