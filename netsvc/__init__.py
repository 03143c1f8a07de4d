"""Small network services on Twisted, run as twistd plugins."""

from netsvc._version import __version__

__all__ = ["__version__"]
