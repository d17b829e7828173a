# SPDX-License-Identifier: LGPL-2.1-or-later

"""Scenes for which a check has no time left are skipped, by name."""

import time

import pytest

from booted import UNTIL


def pytest_runtest_setup(item):
    if time.time() > UNTIL:
        pytest.skip(f"no time was left for {item.name}")
