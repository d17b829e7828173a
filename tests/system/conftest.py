# SPDX-License-Identifier: LGPL-2.1-or-later
# Fixtures of the system tests.

"""Fixtures of the system tests."""

import pathlib
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import box as boxes  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def box():
    made = boxes.Box()
    yield made
    made.close()
