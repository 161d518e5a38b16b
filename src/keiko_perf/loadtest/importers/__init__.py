"""
Importers: what others wrote down of a service, as the steps of a plan.

Each takes text and returns values; nothing is fetched and nothing is asked of the service.
"""

from keiko_perf.loadtest.importers.curl import from_curl
from keiko_perf.loadtest.importers.har import from_har
from keiko_perf.loadtest.importers.imported import Imported, LeftOut
from keiko_perf.loadtest.importers.openapi import from_openapi

__all__ = ["Imported", "LeftOut", "from_curl", "from_har", "from_openapi"]
