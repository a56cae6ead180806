"""The folders of `tests/service`, in memory where the machine offers that."""

from tests.service.conftest import tmp_path as tmp_path
