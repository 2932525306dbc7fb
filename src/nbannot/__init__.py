"""Medical-image annotation that lives where the analysis lives, in Jupyter."""

from nbannot.apps.export import export
from nbannot.apps.project import open_project
from nbannot.assist import operations as ops
from nbannot.assist import register
from nbannot.errors import NbannotError
from nbannot.formats import read, scan, write
from nbannot.formats.codes import code
from nbannot.formats.dicomweb import Archive
from nbannot.model.annotations import Box, Tag
from nbannot.model.attributes import Attribute
from nbannot.model.document import Document
from nbannot.model.geometry import Geometry, Stack
from nbannot.model.image import Image, Images, Window
from nbannot.model.labels import Label
from nbannot.model.masks import Mask
from nbannot.model.measures import measure
from nbannot.model.shapes import Shape
from nbannot.model.steps import Step
from nbannot.model.tables import apply_table, table
from nbannot.model.transform import Transform
from nbannot.session import Session, load, save
from nbannot.session.labelset import LabelSet
from nbannot.viewer import Viewer
from nbannot.viewer.doctor import doctor

__version__ = "0.1.0"

__all__ = [
    "Archive",
    "Attribute",
    "Box",
    "Document",
    "Geometry",
    "Image",
    "Images",
    "Label",
    "LabelSet",
    "Mask",
    "NbannotError",
    "Session",
    "Shape",
    "Stack",
    "Step",
    "Tag",
    "Transform",
    "Viewer",
    "Window",
    "apply_table",
    "code",
    "doctor",
    "export",
    "load",
    "measure",
    "open_project",
    "ops",
    "read",
    "register",
    "save",
    "scan",
    "table",
    "write",
]
